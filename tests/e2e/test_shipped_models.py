"""Choosing a customised model, guessing which pictures taught it, and having the truth shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from attribution.methods.base import DEFAULT
from benchmarks.serving import served
from demo.customise.shipped import SHIPPED
from tests.e2e.conftest import PATIENCE, ids_of
from tests.e2e.test_access import violations
from tests.e2e.test_arrival import arriving
from tests.worlds import EMBEDDED

NAME, METHOD = SHIPPED[0], DEFAULT
FOLDER = EMBEDDED / "customised" / NAME
EXEMPLARS = set(json.loads((FOLDER / "truth.json").read_text(encoding="utf-8"))["images"])


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("shipped")
    others, patience = [FOLDER / "workspace"], PATIENCE / 1000
    with served(EMBEDDED / "workspace", folder=folder, patience=patience, others=others) as server:
        yield server.address
    assert "Traceback" not in (folder / "log").read_text()


def marked(page: Page) -> set[str]:
    cells = page.locator(f'.strip[data-method="{METHOD}"] .cell.is-true').all()
    return {str(cell.get_attribute("data-id")) for cell in cells}


def test_the_truth_is_shown_when_asked_for_and_its_link_remembers(browser: Browser, address: str) -> None:
    """Law: The truth is marked only after a press, and a link to the run shows what was shown."""
    with arriving(browser, address) as visit:
        page = visit.page
        expect(page.locator("#board .strip .cell[data-id]").first).to_be_visible()
        expect(page.locator(".show-truth")).to_have_count(0)  # nobody knows it of the embedded model
        page.get_by_role("navigation", name="Model").get_by_role("link", name=NAME).click()
        expect(page).to_have_url(f"{address}/models/{NAME}/")
        expect(page.locator("#board .strip .cell[data-id]").first).to_be_visible()  # a kept answer
        page.locator("#arrival [data-run]").last.click()
        expect(page).to_have_url(re.compile(rf"/models/{NAME}/\?run="))
        assert not marked(page)
        page.locator(".show-truth").click()
        expect(page.locator(".truth-told")).to_contain_text("taught the model <v1>")
        assert marked(page) == EXEMPLARS, "all of them are in the first row"
        assert violations(page) == []
        expect(page).to_have_url(re.compile(r"run=[^&]+&truth=shown"))
        page.reload()
        expect(page.locator(".truth-told")).to_be_visible()
        assert marked(page) == EXEMPLARS
        page.locator(".show-truth").click()
        expect(page.locator(".truth-told")).to_have_count(0)
        expect(page).not_to_have_url(re.compile("truth="))


@pytest.mark.slow
def test_the_exemplars_are_found_of_a_picture_made_now(browser: Browser, address: str) -> None:
    """Law: Of a picture that a customised model makes, the exemplars are in the first row when refined."""
    with arriving(browser, f"{address}/models/{NAME}/") as visit:
        visit.page.locator("#prompt textarea").fill("a <v1> on the beach")
        visit.page.locator("#generate").click()
        expect(visit.legend).to_contain_text("a <v1> on the beach")
        visit.choose(METHOD)
        visit.attribute()
        assert set(ids_of(visit.strip(METHOD))) >= EXEMPLARS
