"""A closer look at one training image, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.conftest import Open, Visit


@pytest.fixture
def dialog(answered: Visit) -> Iterator[Locator]:
    """The second image of the unlearning ranking, opened; closed afterwards, whatever came of the test."""
    answered.page.get_by_role("tab", name="Training images").click()
    answered.strip("abu").locator(".cell[data-id]").nth(1).click()
    found = answered.page.locator("dialog.detail")
    expect(found).to_be_visible()
    expect(found.locator(".detail-place")).to_contain_text("2 of")
    yield found
    if found.is_visible():
        answered.page.keyboard.press("Escape")


def shown(dialog: Locator) -> str | None:
    return dialog.locator(".detail-body").get_attribute("data-id")


def test_losses_by_timestep_and_the_map_are_drawn(dialog: Locator) -> None:
    chart = dialog.locator(".timesteps")
    expect(chart).to_have_count(1)  # of the one method that measures
    assert "loss by timestep" in str(chart.get_attribute("aria-label"))
    assert chart.locator(".rise-bar, .fall-bar").count() > 1
    assert chart.locator(".error").count() == chart.locator(".rise-bar, .fall-bar").count()
    expect(dialog.locator(".detail-map img")).to_be_visible()
    dialog.page.keyboard.press("Escape")


def test_a_training_image_stands_beside_what_was_asked_about(dialog: Locator) -> None:
    asked = dialog.locator(".detail-pair img.detail-picture").first
    expect(asked).to_have_attribute("alt", re.compile("asked about: a motorcycle and a stop sign"))
    expect(dialog.locator(".detail-asked .picture-box")).to_have_count(1)
    # Both in one look: the dialog is drawn again when more is known of the image.
    places = dialog.locator(".detail-pair").evaluate(
        """pair => [...pair.querySelectorAll("img.detail-picture")]
            .map(picture => picture.getBoundingClientRect()).map(each => [each.y, each.width])"""
    )
    assert len(places) == 2
    assert places[0] == places[1]
    assert places[0][1] > 0


def test_arrows_walk_along_the_ranking(answered: Visit, dialog: Locator) -> None:
    ids = [cell.get_attribute("data-id") for cell in answered.strip("abu").locator(".cell[data-id]").all()]
    assert shown(dialog) == ids[1]
    answered.page.keyboard.press("ArrowRight")
    expect(dialog.locator(".detail-body")).to_have_attribute("data-id", str(ids[2]))
    answered.page.keyboard.press("ArrowLeft")
    answered.page.keyboard.press("ArrowLeft")
    expect(dialog.locator(".detail-body")).to_have_attribute("data-id", str(ids[0]))
    expect(dialog.get_by_role("button", name="Previous image")).to_be_disabled()
    dialog.get_by_role("button", name="Next image").click()
    expect(dialog.locator(".detail-place")).to_contain_text(f"2 of {len(ids)}")
    answered.page.keyboard.press("Escape")


def test_its_neighbours_open_in_its_place(answered: Visit, dialog: Locator) -> None:
    first = shown(dialog)
    likes = dialog.locator(".detail-like h5")
    assert set(likes.all_inner_texts()) >= {"CLIP image", "DINO", "Raw pixels"}
    near = dialog.locator(".detail-like ul").first.locator("button")
    expect(near).to_have_count(6)
    name = near.nth(1).get_attribute("data-open")
    assert "likeness" in str(near.nth(1).get_attribute("aria-label"))
    assert name != first
    near.nth(1).focus()
    answered.page.keyboard.press("Enter")
    expect(dialog.locator(".detail-body")).to_have_attribute("data-id", str(name))
    expect(dialog.locator(".detail-place")).to_contain_text("2 of 6 · CLIP")
    expect(dialog.locator("h3")).to_be_focused()
    answered.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_an_image_can_be_asked_about_in_turn(open_page: Open) -> None:
    visit = open_page()
    visit.generate(steps=1)
    visit.choose("clip")
    visit.attribute()
    visit.strip("clip").locator(".cell[data-id]").nth(2).click()
    dialog = visit.page.locator("dialog.detail")
    expect(dialog).to_be_visible()
    caption, name = dialog.locator("h3").inner_text(), shown(dialog)
    dialog.get_by_role("button", name="Use as query").click()
    expect(dialog).to_be_hidden()
    expect(visit.legend).to_contain_text(caption)
    expect(visit.status).to_contain_text(f"training image {name}")
    visit.attribute()
    expect(visit.strip("clip").locator(".cell").first).to_have_attribute("data-id", str(name))


def test_the_dialog_fits_a_phone(open_page: Open) -> None:
    visit = open_page(width=360, height=780, dark=True)
    visit.generate(steps=1)
    visit.choose("abu")
    visit.attribute()
    visit.strip("abu").locator(".cell[data-id]").first.click()
    dialog = visit.page.locator("dialog.detail")
    expect(dialog.locator(".timesteps")).to_be_visible()
    assert dialog.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
