"""A picture that is traced before anyone asks, as a person meets it in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from app.runs.run import Run
from attribution.workspace.workspace import Workspace
from tests.e2e.conftest import SCENES, WORKSPACE, Open, Visit
from tests.e2e.test_access import violations
from tests.e2e.test_arrival import address, arriving, opened_on, world

__all__ = ["address", "world"]  # fixtures
ROW = 21  # of the training image that is brought


@pytest.fixture(scope="module")
def traced(open_page: Open) -> Visit:
    """A picture that was brought with its caption, and traced to the end."""
    visit = open_page()
    bring(visit)
    return visit


def bring(visit: Visit, row: int = ROW) -> None:
    """Upload a training image and write its caption."""
    page, example = visit.page, Workspace.open(WORKSPACE).training_set.examples[row]
    page.get_by_role("tab", name="Upload").click()
    page.locator("#drop input[type=file]").set_input_files(SCENES / example.file_name)
    expect(page.locator(".stage.has-picture")).to_be_visible()
    expect(page.locator(".traced-part")).to_have_count(0)  # it has no caption yet
    page.locator("#caption textarea").fill(example.caption)
    page.locator("#caption textarea").blur()
    traced_whole(page)


def traced_whole(page: Page) -> None:
    """Every part has its training images."""
    parts = page.locator(".traced-part")
    expect(parts.first).to_be_attached()
    expect(page.locator(".traced-of:not(:has(.traced-images))")).to_have_count(0)
    expect(page.locator(".stage-part")).to_have_count(parts.count())


def middle(part: Locator) -> tuple[float, float]:
    part.scroll_into_view_if_needed()
    area = part.bounding_box()
    assert area is not None
    return area["x"] + area["width"] / 2, area["y"] + area["height"] / 2


def ids(part: Locator) -> list[str]:
    return [str(each.get_attribute("data-id")) for each in part.locator("[data-id]").all()]


def test_pointing_at_a_part_shows_and_lights_its_training_images(traced: Visit) -> None:
    """Law: A part that is pointed at, on the picture or by its word, shows its training images, unasked."""
    page = traced.page
    for number in range(page.locator(".traced-part").count()):
        part, images = page.locator(".traced-part").nth(number), page.locator(".traced-of").nth(number)
        part.focus()
        expect(images).to_be_visible()
        expect(page.locator(".stage-part").nth(number)).to_have_class("stage-part is-lit")
        expect(page.locator(".stage-taught img")).to_have_count(len(ids(images)))
        assert len(ids(images)) == 6
    part.blur()
    expect(page.locator(".stage-part.is-lit")).to_have_count(0)
    page.mouse.move(*middle(page.locator(".stage-part").first))
    expect(page.locator(".traced-part").first).to_have_class("traced-part is-lit")
    expect(page.locator(".traced-of").first).to_be_visible()
    page.mouse.move(1, 1)
    expect(page.locator(".traced-part.is-lit")).to_have_count(0)
    assert violations(page) == []


def test_pointing_at_a_training_image_lights_the_part_that_it_taught(traced: Visit) -> None:
    page = traced.page
    page.locator(".traced-part").first.hover()
    image = page.locator(".traced-of").first.locator("[data-id]").first
    page.mouse.move(1, 1)
    image.hover()
    expect(image).to_have_class("is-lit")
    lit = page.locator(".stage-part.is-lit")
    first = page.locator(".traced-part").first
    stands_out = str(image.get_attribute("data-id")) in str(first.get_attribute("data-ranks"))
    expect(lit).to_have_count(1 if stands_out else 0)
    page.mouse.move(1, 1)


def test_pressing_a_part_asks_about_it_more_precisely(traced: Visit) -> None:
    """Law: Pressing a part makes it the box; its images are then found in the rows of the answer."""
    page = traced.page
    page.locator(".traced-part").first.click()
    expect(page.locator("#parts")).to_contain_text("This part")
    expect(page.locator(".stage-snapped")).to_have_count(1)
    traced.choose("d-trak", "clip")
    traced.effort("instant")
    traced.attribute()
    own = ids(page.locator(".traced-of").first)
    cells = traced.strip("d-trak").locator(".cell[data-id]")
    assert [cells.nth(k).get_attribute("data-id") for k in range(len(own))] == own
    lights = page.locator(".traced-part").first.get_attribute("data-ranks") != "{}"
    page.locator(".traced-part").first.focus()
    if lights:
        expect(cells.first).to_have_class("cell of-part")
    cells.first.hover()
    expect(page.locator(".stage-part.is-lit")).to_have_count(1 if lights else 0)
    page.locator("#clear-box").click()


def test_a_question_is_answered_while_the_picture_is_traced(open_page: Open) -> None:
    """Law: Whoever asks is answered at once; what nobody asked for is gone on with afterwards."""
    visit = open_page()
    visit.generate("a cat and a rocket on the moon")
    visit.choose("d-trak")
    visit.effort("instant")
    visit.attribute()
    expect(visit.strip("d-trak").locator(".cell[data-id]").first).to_be_visible()
    line = visit.page.locator("#traced .traced-line, #traced .traced-part").first
    expect(line).to_be_visible()
    expect(visit.page.locator("#traced [data-trace]")).to_have_count(0)


@pytest.fixture
def phone(browser: Browser, address: str) -> Iterator[Visit]:
    size = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
    with arriving(browser, address, **size) as visit:
        yield visit


def test_on_a_phone_the_example_s_answer_comes_before_the_form(
    phone: Visit, world: tuple[Path, list[Run]]
) -> None:
    """Law: On a phone the page opens on an example's answer; the form is a press away, for Tab as well."""
    page = phone.page
    opened_on(page, world[1][0])
    tops = [top(page, each) for each in ("#arrival", ".asked-of", "#board .strip", "#stage")]
    assert tops == sorted(tops)
    assert tops[2] < 844, "the first images are on the first screen"
    expect(page.locator("#source")).to_be_hidden()
    order = "['#arrival', '#findings', '#stage'].map((each) => document.querySelector(each))"
    follows = "(a, b) => !!(a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING)"
    assert page.evaluate(f"(([a, b, c]) => ({follows})(a, b) && ({follows})(b, c))({order})")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations(page) == []
    page.get_by_role("button", name="Ask a question of your own").click()
    expect(page.locator("#prompt textarea")).to_be_focused()
    assert top(page, "#source") < top(page, "#board .strip")


def top(page: Page, selector: str) -> float:
    box = page.locator(selector).first.bounding_box()
    assert box is not None
    return box["y"]
