"""The library, in a real browser: what a person does there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import SCENES, Open, Visit
from tests.e2e.test_access import violations


def opened(visit: Visit) -> Page:
    visit.page.locator("#library-open").click()
    expect(cells(visit.page)).to_have_count(48)
    return visit.page


def cells(page: Page) -> Locator:
    return page.locator(".library .shelf-cells .cell")


def head(page: Page) -> Locator:
    return page.locator(".shelf-head h3")


def ids(page: Page) -> list[str]:
    return [str(cell.get_attribute("data-id")) for cell in cells(page).all()]


def test_every_training_image_is_found_page_by_page_and_back(open_page: Open) -> None:
    page = opened(open_page())
    expect(page.locator("#desk")).to_be_hidden()
    expect(head(page)).to_have_text("All 96 training images")
    first = ids(page)
    page.get_by_role("button", name="Next page").click()
    expect(page.locator(".pager")).to_contain_text("49 to 96")
    assert len({*first, *ids(page)}) == 96
    assert "page=2" in page.url
    second, link = ids(page), page.url
    page.goto(link)
    expect(page.locator(".pager")).to_contain_text("49 to 96")
    assert ids(page) == second
    page.go_back()
    expect(page.locator(".pager")).to_contain_text("1 to 48")
    assert ids(page) == first
    page.locator("#library-open").click()
    expect(page.locator("#desk")).to_be_visible()
    expect(page.locator("#library-room")).to_be_hidden()
    assert "library" not in page.url


def test_words_and_filters_narrow_and_the_link_shows_the_same(open_page: Open) -> None:
    """Law: What is found in the library stands in the address: its link shows the same images."""
    visit = open_page()
    page = opened(visit)
    page.get_by_role("searchbox").fill("rock*")
    page.keyboard.press("Enter")
    expect(head(page)).not_to_have_text("All 96 training images")
    captions = cells(page).evaluate_all("all => all.map((one) => one.title)")
    assert captions
    assert all("rocket" in caption for caption in captions)
    narrower = page.locator('.library-columns input[data-column="ground"]').first
    ground = str(narrower.get_attribute("data-value"))
    narrower.check()
    expect(page.locator(".chip")).to_contain_text(ground)
    captions = cells(page).evaluate_all("all => all.map((one) => one.title)")
    assert all(ground in caption and "rocket" in caption for caption in captions)
    found, link = ids(page), page.url
    page.goto(link)
    expect(page.locator(".chip")).to_contain_text(ground)
    expect(page.get_by_role("searchbox")).to_have_value("rock*")
    assert ids(page) == found
    page.locator(".chip").click()
    expect(page.locator(".chip")).to_have_count(0)
    page.get_by_role("searchbox").fill("nothingatall")
    page.keyboard.press("Enter")
    expect(page.locator(".shelf-nothing")).to_be_visible()


def test_a_text_a_training_image_and_a_file_order_the_library(open_page: Open) -> None:
    page = opened(open_page())
    page.get_by_label("Look for").select_option("clip-text")
    page.get_by_role("searchbox").fill(str(cells(page).nth(9).get_attribute("title")))
    said = page.get_by_role("searchbox").input_value()
    page.keyboard.press("Enter")
    expect(page.locator(".shelf-like")).to_contain_text(said)
    assert cells(page).first.get_attribute("title") == said
    page.locator(".shelf-unlike").click()
    expect(page.locator(".shelf-like")).to_have_count(0)
    page.locator(".library-bring input").set_input_files(SCENES / "train-00021.png")
    expect(page.locator(".shelf-like")).to_contain_text("your picture")
    expect(cells(page).first).to_have_attribute("data-id", "train-00021")
    page.get_by_label("Likeness by").select_option("dino")
    expect(page).to_have_url(re.compile("space=dino"))
    expect(cells(page).first).to_have_attribute("data-id", "train-00021")


def test_a_training_image_opens_as_in_an_answer_and_leads_back(open_page: Open) -> None:
    page = opened(open_page())
    every = ids(page)
    cells(page).nth(3).click()
    dialog = page.locator("dialog.detail")
    expect(dialog.locator(".detail-body")).to_have_attribute("data-id", every[3])
    page.keyboard.press("ArrowRight")
    expect(dialog.locator(".detail-body")).to_have_attribute("data-id", every[4])
    expect(dialog.locator(".detail-place")).to_contain_text("5 of 48")
    dialog.get_by_role("button", name="in the library").click()
    expect(dialog).to_be_hidden()
    expect(page.locator(".shelf-like")).to_be_visible()
    expect(cells(page).first).to_have_attribute("data-id", every[4])
    cells(page).nth(1).click()
    dialog.get_by_role("button", name="Use as query").click()
    expect(page.locator("#desk")).to_be_visible()
    expect(page.locator("#attribute")).to_be_enabled()


def test_an_address_that_makes_no_sense_is_told_in_one_line(open_page: Open) -> None:
    page = opened(open_page())
    page.goto(page.url + "&is=colour:red")
    expect(page.locator(".library-problem")).to_contain_text("cannot be filtered by 'colour'")
    page.goto(page.url.split("?")[0] + "?library=shelf&like=no-such-image")
    expect(page.locator(".library-problem")).to_contain_text("no-such-image")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390], ids=["desk", "phone"])
def test_the_library_has_no_serious_violation_and_fits(open_page: Open, width: int, dark: bool) -> None:
    page = opened(open_page(width=width, dark=dark))
    page.locator(".tick input").first.check(force=True)
    page.goto(page.url + "&is=style:none&like=train-00003")
    expect(page.locator(".shelf-like")).to_be_visible()
    expect(page.locator(".tray")).to_contain_text("1 image chosen")  # it outlives a reload
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.fixture(scope="module")
def collected(open_page: Open) -> Visit:
    """A question that is kept, and then a collection of what a filter finds: looked at by several tests."""
    visit = open_page(width=1440)
    visit.generate(steps=1)
    visit.choose("first-order", "clip")
    visit.effort("instant")
    visit.attribute()
    expect(visit.page.locator(".copy-link")).to_be_enabled()
    page = opened(visit)
    page.locator('.library-columns input[data-column="ground"]').first.check()
    page.get_by_role("button", name="as a collection", exact=False).first.click()
    expect(page.locator(".collection h3")).to_contain_text("ground")
    return visit


def downloaded(page: Page, button: str) -> str:
    with page.expect_download() as waiting:
        page.locator(button).click()
    return Path(waiting.value.path()).read_text(encoding="utf-8")


def test_a_filter_s_whole_result_is_summed_up_over_what_was_asked(collected: Visit) -> None:
    page = collected.page
    name = str(page.locator(".collection h3").text_content())
    expect(page.locator(".leans tbody tr")).to_have_count(2)
    expect(page.locator(".leaning li")).to_have_count(1)
    expect(page.locator(".leaning li")).to_contain_text("of the first 20")
    assert "run=" in str(page.locator(".leaning a").get_attribute("href"))
    assert name in downloaded(page, "#collection-dossier")
    assert f"# collection: {name}" in downloaded(page, "#collection-csv")
    assert violations(page) == []
    page.locator(".collection .cell").first.click()
    expect(page.locator("dialog.detail")).to_be_visible()
    page.keyboard.press("Escape")


def test_a_collection_is_unlearned_beside_random_and_matched_images(collected: Visit) -> None:
    page = collected.page
    page.get_by_role("button", name="Unlearn the collection").first.click()
    expect(page.locator('#collection-result .proof[data-final="true"]')).to_be_visible()
    expect(page.locator("#collection-result .proof-column")).to_have_count(5)
    expect(page.locator("#collection-result")).to_contain_text("with the same words")
    expect(page.locator("#collection-stop")).to_be_hidden()
    assert "Put to the test" in downloaded(page, "#collection-dossier")
    assert violations(page) == []
    page.reload()  # its address is the collection's
    expect(page.locator(".leaning li")).to_have_count(1)
    page.go_back()
    expect(page.locator(".library .shelf-cells")).to_be_visible()


def test_images_that_were_ticked_are_a_collection(open_page: Open) -> None:
    page = opened(open_page(width=390))
    every = ids(page)
    for number in (2, 5):
        page.locator(".tick input").nth(number).check(force=True)
    page.get_by_role("button", name="Look at them as a collection").click()
    expect(page.locator(".collection h3")).to_have_text("2 chosen images")
    expect(page.locator(".collection .cell")).to_have_count(2)
    expect(page.locator(".collection .cell").first).to_have_attribute("data-id", every[2])
    expect(page.locator(".collection")).to_contain_text("No question is kept in this browser yet")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_whoever_brings_a_work_is_told_which_row_it_is(open_page: Open) -> None:
    page = opened(open_page())
    page.get_by_role("button", name="Is my work in here?").click()
    expect(page).to_have_url(re.compile("library=work"))
    page.locator(".work input").set_input_files(SCENES / "train-00021.png")
    expect(page.locator(".work .verdict")).to_contain_text("row 22 (train-00021)")
    expect(page.locator(".work-space")).to_have_count(3)
    expect(page.locator(".work-space").first.locator(".cell").first).to_have_attribute(
        "data-id", "train-00021"
    )
    assert violations(page) == []
    page.locator(".work-space .cell").nth(1).click()
    expect(page.locator("dialog.detail")).to_be_visible()
