"""Several parts of one picture, and the sides of an answer, in a real browser."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.conftest import SCENES, Visit, ids_of


def test_several_parts_are_asked_at_once_and_stand_side_by_side(parted: Visit) -> None:
    strips = parted.page.locator(".strip")
    assert strips.locator("h3").all_inner_texts() == ["Part A", "Part B"]
    assert strips.locator(".strip-crop").count() == 2
    assert strips.locator(".strip-by").all_inner_texts() == ["First order"] * 2
    dots = strips.locator(".dot").evaluate_all(
        "all => all.map((one) => getComputedStyle(one).backgroundColor)"
    )
    assert len(set(dots)) == 1  # a colour is a method's
    expect(parted.status).to_contain_text("for 2 parts")
    assert ids_of(strips.nth(0)) != ids_of(strips.nth(1))

    parted.page.locator("#shown-method").get_by_text("CLIP image").locator("xpath=..").click()
    expect(strips.first).to_have_attribute("data-method", "clip")
    strips.nth(1).locator(".cell[data-id]").first.click()
    dialog = parted.page.locator("dialog.detail")
    expect(dialog.locator("thead th").first).to_have_text("Part")
    expect(dialog.locator("tbody th")).to_have_text(["Part A", "Part B"])
    expect(dialog.locator("tbody tr").nth(1)).to_contain_text("1 of")
    parted.page.keyboard.press("Escape")
    parted.page.locator("#beside input").first.check(force=True)
    expect(parted.page.locator('.strip[data-key="first-order"]')).to_be_visible()
    first_order = parted.page.locator('.strip[data-method="first-order"]')
    of_a = ids_of(first_order)
    parted.page.locator("#shown-part").get_by_text("Part B").locator("xpath=..").click()
    expect(first_order.locator(".cell").first).not_to_have_attribute("data-id", of_a[0])
    parted.page.locator("#beside input").last.check(force=True)
    expect(strips.locator("h3").first).to_have_text("Part A")


def test_what_is_chosen_quickly_is_what_is_shown(parted: Visit) -> None:
    """Law: A choice that is made while the one before is being answered counts."""
    parted.page.locator("#beside input").first.check(force=True)
    expect(parted.page.locator('.strip[data-key="first-order"]')).to_be_visible()
    parted.page.evaluate(
        """() => {
            const press = (name) => document.querySelectorAll(`${name} input`)[1].click();
            press("#shown-part");
            setTimeout(() => press("#beside"), 20);
        }"""
    )
    expect(parted.page.locator(".strip h3").first).to_have_text("Part A")
    expect(parted.page.locator("#beside input").last).to_be_checked()
    expect(parted.page.locator("#shown-method input:checked")).to_have_count(1)


def test_rankings_are_compared_and_a_point_opens_its_image(parted: Visit) -> None:
    parted.page.get_by_role("tab", name="Compare").click()
    expect(parted.page.locator("#overlap tbody tr")).to_have_count(1)
    points = parted.page.locator("#ranks-plot .scatterlayer .point")
    expect(points.first).to_be_visible()
    points.last.scroll_into_view_if_needed()
    area = points.last.bounding_box()
    assert area is not None
    parted.page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
    parted.page.wait_for_timeout(300)
    parted.page.mouse.down()
    parted.page.mouse.up()
    expect(parted.page.locator("dialog.detail")).to_be_visible()
    parted.page.keyboard.press("Escape")
    parted.page.get_by_role("tab", name="Training images").click()


def test_influence_is_grouped_by_any_column(parted: Visit) -> None:
    parted.page.get_by_role("tab", name="Groups").click()
    bars = parted.page.locator("#groups-plot .bars .point")
    expect(bars.first).to_be_visible()
    parted.page.locator("#group-column input").click()
    parted.page.get_by_role("option", name="Collection").click()
    labels = parted.page.locator("#groups-plot .ytick")
    expect(labels.first).to_contain_text(collections())
    parted.page.locator("#group-measure").get_by_text("Summed score").locator("xpath=..").click()
    expect(parted.page.locator("#groups-words")).to_contain_text("bootstrap")
    parted.page.get_by_role("tab", name="Training images").click()


def collections() -> re.Pattern[str]:
    lines = (SCENES / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    return re.compile("|".join(sorted({re.escape(json.loads(line)["collection"]) for line in lines})))


@pytest.mark.parametrize("width", [360, 1000, 1100, 1280])
def test_the_names_of_the_panels_are_whole_and_nothing_lies_over_them(parted: Visit, width: int) -> None:
    before = parted.page.viewport_size
    assert before is not None
    parted.page.set_viewport_size({"width": width, "height": before["height"]})
    parted.page.wait_for_timeout(500)  # what has no room goes into the menu
    names = parted.page.locator("#answer .tab-container").last.get_by_role("tab").all()
    takes = parted.page.locator("#take-away > *").all()
    hidden = [name for name in names if name.evaluate(CUT)]
    covered = [(name, take) for name in names for take in takes if overlap(name, take)]
    parted.page.set_viewport_size(before)
    assert names
    assert takes
    assert not hidden
    assert not covered


CUT = """tab => {
    const [name, row] = [tab.getBoundingClientRect(), tab.parentElement.getBoundingClientRect()];
    return name.right > row.right + 1 || tab.scrollWidth > tab.clientWidth + 1;
}"""


def overlap(one: Locator, other: Locator) -> bool:
    a, b = one.bounding_box(), other.bounding_box()
    assert a is not None
    assert b is not None
    return all(
        a[start] < b[start] + b[size] and b[start] < a[start] + a[size]
        for start, size in (("x", "width"), ("y", "height"))
    )
