"""The page for every hand, eye and ear: axe-core finds nothing serious, nothing jumps, keys reach all."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open, Visit

SERIOUS = ("serious", "critical")


SETTLED = """() => Promise.allSettled(document.getAnimations()
  .filter((each) => each instanceof CSSTransition).map((each) => each.finished))"""


def violations(page: Page, only: tuple[str, ...] = ()) -> list[str]:
    """What axe-core calls serious or critical, in words, once no colour is on its way to another.

    `only`: the rules that are looked at; all if there is none.
    """
    page.evaluate(SETTLED)
    options = {"resultTypes": ["violations"], **({"runOnly": list(only)} if only else {})}
    found: list[dict[str, Any]] = Axe().run(page, options=options).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:4]]}"
        for one in found
        if one["impact"] in SERIOUS
    ]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360], ids=["desk", "phone"])
def test_the_empty_page_has_no_serious_violation(open_page: Open, width: int, dark: bool) -> None:
    visit = open_page(width=width, dark=dark)
    expect(visit.page.locator("#shade")).to_be_visible()
    assert violations(visit.page) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_answered_page_has_no_serious_violation_in_any_panel(open_page: Open, dark: bool) -> None:
    """Law: The answered page has no serious violation for axe-core in any panel."""
    visit, only = open_page(dark=dark), ("color-contrast",) if dark else ()  # all that dark changes
    visit.generate(steps=2)
    visit.draw(0.05, 0.3, 0.45, 0.9)
    visit.page.get_by_role("button", name="Add a part").click()
    expect(visit.page.get_by_role("button", name="Now draw it")).to_be_visible()
    visit.draw(0.55, 0.3, 0.95, 0.9)
    expect(visit.page.locator(".part-chip")).to_have_count(2)
    visit.choose("abu", "clip")
    visit.attribute()
    expect(visit.page.locator("#download-report")).to_be_enabled()
    for name in visit.page.locator("#answer [role=tab]").all_inner_texts():
        visit.page.locator("#answer").get_by_role("tab", name=name, exact=True).click()
        visit.page.wait_for_timeout(400)  # a figure is drawn when its panel is first looked at,
        expect(visit.page.locator('#answer [aria-label="Empty value"]:visible')).to_have_count(0)
        assert violations(visit.page, only) == [], name
    visit.page.get_by_role("tab", name="Training images").click()
    visit.page.locator(".cell[data-id]").first.click()
    expect(visit.page.locator("dialog.detail")).to_be_visible()
    assert violations(visit.page, only) == []


SHIFTS = """() => { window.shifts = []; new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) {
    const moved = entry.sources.map((s) => (s.node ? s.node.outerHTML.slice(0, 120) : ""));
    window.shifts.push([entry.value, moved]);
  }
}).observe({ type: "layout-shift", buffered: false }); }"""


def test_nothing_jumps_when_results_arrive(open_page: Open) -> None:
    """Law: Nothing on the page jumps when results arrive."""
    visit = open_page()
    visit.generate(steps=2)
    visit.choose("first-order", "clip", "dino")
    visit.effort("instant")
    visit.page.wait_for_timeout(600)
    visit.page.evaluate(SHIFTS)
    visit.attribute()
    visit.page.wait_for_timeout(600)
    shifts = visit.page.evaluate("window.shifts")
    assert sum(value for value, _ in shifts) < 0.05, shifts  # "good" is below 0.1


def tab_to(visit: Visit, selector: str, most: int = 80) -> None:
    """By the Tab key alone; what has the focus shows it."""
    for _ in range(most):
        visit.page.keyboard.press("Tab")
        if visit.page.evaluate("s => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(f"{selector} is not reached by the Tab key")


def test_a_question_can_be_asked_without_a_pointer(open_page: Open) -> None:
    """Law: A question can be asked without a pointer."""
    visit = open_page()
    tab_to(visit, "#prompt textarea")
    visit.page.keyboard.type("a cat on a table")
    visit.page.keyboard.press("Control+Enter")
    expect(visit.page.locator("#attribute")).to_be_enabled()
    visit.page.locator(".stage").focus()
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_timeout(500)
    visit.page.keyboard.press("+")
    expect(visit.page.locator(".part-chip")).to_have_count(2)
    visit.page.keyboard.press("Delete")
    expect(visit.page.locator(".part-chip")).to_have_count(0)
    visit.choose("clip")
    visit.effort("instant")
    visit.page.keyboard.press("Control+Enter")
    expect(visit.status).to_have_attribute("data-state", "done")
    tab_to(visit, ".cell[data-id]")
    outline = "getComputedStyle(document.activeElement.querySelector('.thumb')).boxShadow"
    assert visit.page.evaluate(outline) != "none"
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator("dialog.detail")).to_be_visible()
    visit.page.keyboard.press("Escape")
    expect(visit.page.locator("dialog.detail")).to_be_hidden()
