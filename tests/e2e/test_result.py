"""What a link to a run opens, and the way back from one run to another, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.runs.run import Run
from tests.e2e.conftest import Open, Visit
from tests.e2e.test_access import violations
from tests.e2e.test_arrival import address, arriving, opened_on, world

__all__ = ["address", "world"]  # fixtures


def top(page: Page, selector: str) -> float:
    box = page.locator(selector).first.bounding_box()
    assert box is not None
    return box["y"]


def test_a_link_opens_on_the_result_and_the_form_comes_when_it_is_asked_for(
    browser: Browser, address: str, world: tuple[Path, list[Run]]
) -> None:
    """Law: A link to a run opens on its result alone; the form is a press away, and Generate ends it."""
    run = world[1][1]
    with arriving(browser, f"{address}/?run={run.id}") as visit:
        page = visit.page
        expect(page.locator("#board .strip .cell[data-id]").first).to_be_visible()
        expect(page).to_have_title(f"{run.caption} · Whence")
        for folded in ("#source", "#ask", "#arrival .arrival", "#attribute", "#parts-row"):
            expect(page.locator(folded)).to_be_hidden()
        expect(visit.legend).to_contain_text(run.caption)
        assert violations(page) == []
        page.get_by_role("button", name="Ask a question of your own").click()
        expect(page.locator("#prompt textarea")).to_be_focused()
        expect(page.locator("#prompt textarea")).to_have_value(run.caption)
        expect(page.locator("#attribute")).to_be_visible()
        expect(page.get_by_role("button", name="Ask a question of your own")).to_be_hidden()


def test_on_a_phone_the_answer_comes_first(
    browser: Browser, address: str, world: tuple[Path, list[Run]]
) -> None:
    run = world[1][0]
    size = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
    with arriving(browser, f"{address}/?run={run.id}", **size) as visit:
        page = visit.page
        expect(page.locator("#board .strip .cell[data-id]").first).to_be_visible()
        expect(page.locator(".asked-of")).to_contain_text(run.caption)
        assert top(page, ".asked-of") < top(page, "#board .strip") < top(page, "#stage")
        assert top(page, "#board .strip") < 844, "the first row is on the first screen"
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert violations(page) == []


def test_an_unknown_link_leaves_the_form_where_it_is_and_back_leads_away(
    browser: Browser, address: str
) -> None:
    with arriving(browser, "about:blank") as visit:
        visit.page.goto(f"{address}/?run={'x' * 16}")
        expect(visit.status).to_have_attribute("data-state", "failed")
        expect(visit.page.locator("#source")).to_be_visible()
        expect(visit.page).to_have_url(f"{address}/")
        visit.page.go_back()
        expect(visit.page).to_have_url("about:blank")


@pytest.fixture
def arrived(browser: Browser, address: str, world: tuple[Path, list[Run]]) -> Iterator[Page]:
    """A page that has opened on the first example."""
    with arriving(browser, address) as visit:
        opened_on(visit.page, world[1][0])
        yield visit.page


def test_back_and_forward_lead_from_run_to_run(
    arrived: Page, address: str, world: tuple[Path, list[Run]]
) -> None:
    """Law: Each run has its own place in the browser's history, after the page as it opened."""
    page, (first, second) = arrived, world[1][:2]
    for run in (second, first):
        page.locator(f'#arrival [data-run="{run.id}"]').click()
        expect(page).to_have_url(f"{address}/?run={run.id}")
        opened_on(page, run)
    page.go_back()
    opened_on(page, second)
    expect(page).to_have_title(f"{second.caption} · Whence")
    page.go_back()
    opened_on(page, first)  # the page opens on it
    expect(page).to_have_url(f"{address}/")
    expect(page).to_have_title("Whence")
    page.go_forward()
    opened_on(page, second)
    expect(page).to_have_url(f"{address}/?run={second.id}")


def test_the_example_that_was_pressed_last_is_the_one_that_opens(
    arrived: Page, address: str, world: tuple[Path, list[Run]]
) -> None:
    """Law: Of runs that are pressed quicker than they open, the last is shown, and none in between."""
    page, (first, second) = arrived, world[1][:2]
    press = "document.querySelector(`#arrival [data-run='${id}']`).click()"
    pause = "await new Promise((go) => setTimeout(go, 100))"  # while the one before is being opened
    ids = [second.id, first.id, second.id, first.id]
    page.evaluate(f"async (ids) => {{ for (const id of ids) {{ {press}; {pause}; }} }}", ids)
    expect(page).to_have_url(f"{address}/?run={first.id}")
    opened_on(page, first)
    expect(page.locator(f'#arrival [data-run="{first.id}"]')).to_have_attribute("aria-pressed", "true")
    page.go_back()
    opened_on(page, first)  # the page as it opened: what was passed over has no place of its own
    expect(page).to_have_url(f"{address}/")


def test_a_picture_that_was_not_asked_about_leaves_no_place_to_go_back_to(open_page: Open) -> None:
    visit = open_page()
    answers = [ask(visit, prompt) for prompt in ("a cat on a table", "a dog on the beach")]
    visit.page.go_back()
    expect(visit.legend).to_contain_text("a cat on a table")
    expect(visit.page).to_have_url(answers[0])
    visit.page.go_back()
    expect(visit.page.locator("#board .invitation")).to_be_visible()
    expect(visit.page.locator("#attribute")).to_be_disabled()
    expect(visit.page.locator(".stage.has-picture")).to_have_count(0)
    asked: list[str] = []
    visit.page.on("request", lambda request: asked.append(request.post_data or ""))
    for _ in range(2):  # quicker than the answers come
        visit.page.go_forward()
    expect(visit.legend).to_contain_text("a dog on the beach")
    expect(visit.page).to_have_url(answers[1])
    last = answers[1].partition("run=")[2]
    assert sum(last in body for body in asked) == 1  # a second answer would take the next picture's place
    visit.generate("a cat on a table", steps=1)
    expect(visit.page).not_to_have_url(re.compile("run="))


def test_a_page_that_the_browser_kept_is_opened_anew(open_page: Open) -> None:
    """Headless Chromium keeps none, so that its event is sent by hand."""
    visit = open_page()
    ask(visit, "a dog on the beach")
    with visit.page.expect_navigation():
        kept = "new PageTransitionEvent('pageshow', { persisted: true })"
        visit.page.evaluate(f"() => setTimeout(() => dispatchEvent({kept}))")
    expect(visit.legend).to_contain_text("a dog on the beach")
    expect(visit.page.locator("html")).to_have_class(re.compile("is-result"))
    visit.page.locator(".unfold").first.click()
    visit.generate("a cat on a table", steps=1)


def ask(visit: Visit, prompt: str) -> str:
    """The link to the answer."""
    visit.generate(prompt, steps=1)
    visit.choose("random")
    visit.effort("instant")
    visit.attribute()
    expect(visit.page.locator(".copy-link")).to_be_enabled()
    expect(visit.page).to_have_title(f"{prompt} · Whence")
    return visit.page.url
