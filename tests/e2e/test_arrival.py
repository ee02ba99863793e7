"""A page that opens on an answer, as a person meets it who has come for the first time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from app.keep_examples import kept_examples
from app.runs.run import Run
from attribution.workspace.workspace import Workspace
from benchmarks.serving import served
from tests.e2e.conftest import PATIENCE, Open, Visit
from tests.e2e.test_access import violations
from tests.worlds import TINY


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Run]]:
    """The tiny world with its example questions answered beside it."""
    folder = tmp_path_factory.mktemp("world") / "tiny"
    shutil.copytree(TINY, folder)
    return folder, list(kept_examples(Workspace.open(folder / "workspace"), "instant"))


@pytest.fixture(scope="module")
def address(world: tuple[Path, list[Run]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("arrival")
    with served(world[0] / "workspace", folder=folder, patience=PATIENCE / 1000) as server:
        yield server.address
    assert "Traceback" not in (folder / "log").read_text()


@contextmanager
def arriving(browser: Browser, address: str, **size: Any) -> Iterator[Visit]:
    expect.set_options(timeout=PATIENCE)
    context = browser.new_context(accept_downloads=True, **size)
    context.set_default_timeout(PATIENCE)
    visit = Visit(context.new_page(), [], [])
    visit.page.on("pageerror", lambda error: visit.problems.append(str(error)))
    visit.page.goto(address)
    yield visit
    assert visit.problems == []
    context.close()


def opened_on(page: Page, run: Run) -> None:
    """The page shows the answer of a run."""
    expect(page.locator("#legend .legend")).to_contain_text(run.caption)
    expect(page.locator("#board .strip .cell[data-id]").first).to_be_visible()
    expect(page.locator(f'#arrival [data-run="{run.id}"]')).to_have_attribute("aria-pressed", "true")


def test_the_page_opens_on_an_answer_with_its_sentence(
    browser: Browser, address: str, world: tuple[Path, list[Run]]
) -> None:
    """Law: Where examples are kept, the page opens on the first one's answer; the form is as it was."""
    first = world[1][0]
    with arriving(browser, address) as visit:
        opened_on(visit.page, first)
        said = visit.page.locator("#finding .finding p, #board .note strong")
        expect(said).to_have_count(1)
        expect(visit.status).to_contain_text("nothing was computed again")
        expect(visit.page.locator("#prompt textarea")).to_have_value("")
        assert "run=" not in visit.page.url
        expect(visit.page.locator("#arrival [data-run]")).to_have_count(len(world[1]))
        expect(visit.page.locator("#source").get_by_role("tab", name="Examples")).to_be_hidden()
        assert violations(visit.page) == []
        visit.page.locator("#board .cell[data-id]").first.click()  # it can be looked at as any answer
        expect(visit.page.locator("dialog.detail")).to_be_visible()


def test_each_example_opens_its_kept_answer_and_has_a_link(
    browser: Browser, address: str, world: tuple[Path, list[Run]]
) -> None:
    with arriving(browser, address) as visit:
        opened_on(visit.page, world[1][0])
        for run in reversed(world[1]):
            visit.page.locator(f'#arrival [data-run="{run.id}"]').click()
            opened_on(visit.page, run)
            expect(visit.page).to_have_url(f"{address}/?run={run.id}")
            expect(visit.page.locator("#prompt textarea")).to_have_value(run.caption)
        visit.page.reload()
        opened_on(visit.page, world[1][0])


def test_a_person_asks_a_question_of_their_own_beside_the_example(browser: Browser, address: str) -> None:
    with arriving(browser, address) as visit:
        expect(visit.page.locator("#board .strip").first).to_be_visible()
        visit.page.locator("#prompt textarea").fill("a dog on the beach")
        visit.page.locator("#generate").click()
        expect(visit.legend).to_contain_text("a dog on the beach")
        expect(visit.page.locator('#arrival [aria-pressed="true"]')).to_have_count(0)
        expect(visit.page.locator("#board .strip")).to_have_count(0)


def test_without_kept_examples_the_page_opens_empty_as_ever(open_page: Open) -> None:
    """Law: Where no example is kept, the page opens on an invitation, and the questions are listed."""
    visit = open_page()
    expect(visit.page.locator(".masthead small")).to_contain_text("tiny trained on scenes")
    expect(visit.page.locator("#board .invitation")).to_be_visible()
    expect(visit.page.locator("#arrival .arrival")).to_have_count(0)
    expect(visit.page.locator("#source").get_by_role("tab", name="Examples")).to_be_visible()
