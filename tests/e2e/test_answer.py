"""What an answered page shows, and what can be done with it, in a real browser."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from playwright.sync_api import expect

from attribution.data.images import read_image
from tests.e2e.conftest import PROMPT, Open, Visit, ids_of


def test_every_chosen_method_shows_its_ranked_row(answered: Visit) -> None:
    assert answered.page.locator(".strip").count() == 3
    for method in ("abu", "clip", "dino"):
        ranks = answered.strip(method).locator(".rank").all_inner_texts()
        assert ranks == [str(rank) for rank in range(1, len(ranks) + 1)]
        assert len(ranks) >= 10


def test_unlearning_scores_carry_their_standard_errors(answered: Visit) -> None:
    cells = answered.strip("abu").locator(".cell")
    assert answered.strip("abu").locator(".stderr").count() == cells.count()
    assert "±" in answered.strip("abu").locator(".score").first.inner_text()
    assert answered.strip("clip").locator(".stderr").count() == 0


def test_the_page_says_how_far_each_method_looked(answered: Visit) -> None:
    expect(answered.strip("abu").locator(".strip-how")).to_contain_text("96 training images")
    expect(answered.status).to_contain_text("measured")


def test_the_crop_shown_is_the_box_snapped_to_the_models_cells(answered: Visit) -> None:
    stage = answered.page.locator(".stage").bounding_box()
    snapped = answered.page.locator(".stage-snapped").bounding_box()
    assert stage is not None
    assert snapped is not None
    for side, offset in (("x", "width"), ("y", "height")):
        for edge in (snapped[side] - stage[side], snapped[side] - stage[side] + snapped[offset]):
            cells = 16 * edge / stage[offset]
            assert abs(cells - round(cells)) < 0.1


def test_hovering_marks_the_same_image_under_every_method(answered: Visit) -> None:
    shared = set(ids_of(answered.strip("clip"))) & set(ids_of(answered.strip("dino")))
    example = sorted(shared)[0]
    answered.strip("clip").locator(f'.cell[data-id="{example}"]').hover()
    expect(answered.strip("dino").locator(f'.cell[data-id="{example}"]')).to_have_class("cell linked")
    expect(answered.strip("dino").locator(".strip-here")).to_contain_text("this image: rank")
    answered.page.mouse.move(2, 2)
    expect(answered.page.locator(".cell.linked")).to_have_count(0)


def test_an_image_opens_large_with_its_rank_under_every_method(answered: Visit) -> None:
    dialog = answered.page.locator("dialog.detail")
    for way in ("click", "keyboard"):
        cell = answered.strip("abu").locator(".cell").nth(1)
        rank = cell.locator(".rank").inner_text()
        if way == "click":
            cell.click()
        else:
            cell.focus()
            answered.page.keyboard.press("Enter")
        expect(dialog).to_be_visible()
        expect(dialog.locator("h3")).to_have_text(str(cell.get_attribute("title")))
        expect(dialog.locator("tbody tr")).to_have_count(3)
        expect(dialog.locator('tr[data-method="abu"] td').first).to_contain_text(
            f"{rank} of 84"
        )  # measured
        expect(dialog.locator(".detail-map img")).to_be_visible()  # where it was forgotten
        expect(dialog).to_contain_text("collection")
        answered.page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()


def test_json_and_csv_can_be_taken_away(answered: Visit) -> None:
    with answered.page.expect_download() as waiting:
        answered.page.locator("#download-json").click()
    answer = json.loads(Path(waiting.value.path()).read_text(encoding="utf-8"))
    assert waiting.value.suggested_filename.endswith(".json")
    assert answer["query"]["caption"] == PROMPT
    assert list(answer["methods"]) == ["abu", "clip", "dino"]
    shown = ids_of(answered.strip("abu"))
    assert [line["id"] for line in answer["methods"]["abu"]["ranking"] if line["id"] in shown] == shown

    with answered.page.expect_download() as waiting:
        answered.page.locator("#download-csv").click()
    text = Path(waiting.value.path()).read_text(encoding="utf-8")
    rows = list(csv.DictReader(line for line in io.StringIO(text) if not line.startswith("#")))
    assert {row["method"] for row in rows} == {"abu", "clip", "dino"}
    assert [row["id"] for row in rows if row["method"] == "abu" and row["id"] in shown] == shown


def test_the_scores_are_drawn_without_leaving_the_machine(answered: Visit) -> None:
    answered.page.get_by_role("tab", name="Scores").click()
    expect(answered.page.locator("#plot .js-plotly-plot .scatterlayer .trace")).to_have_count(3)
    answered.page.get_by_role("tab", name="Training images").click()
    assert answered.outside == []


def test_another_box_greys_the_answer_at_once_and_one_can_go_back(answered: Visit) -> None:
    """Law: An answer that another box has made one of before is greyed, says so and can be gone back to."""
    card, report = answered.page.locator("#stale .stale"), answered.page.locator("#download-report")
    grey = "getComputedStyle(document.querySelector('.strip .thumb')).filter"
    expect(report).to_be_enabled()
    before = answered.page.locator(".stage-snapped").get_attribute("style")
    answered.draw(0.05, 0.35, 0.45, 0.9)
    expect(card).to_contain_text("an earlier question")
    expect(report).to_be_disabled()
    expect(answered.status).to_have_attribute("data-state", "idle")
    assert answered.page.evaluate(grey) == "grayscale(1)"
    card.get_by_role("button", name="Back to it").click()
    expect(card).to_have_count(0)
    expect(report).to_be_enabled()
    expect(answered.status).to_have_attribute("data-state", "done")
    assert answered.page.evaluate(grey) == "none"
    assert answered.page.locator(".stage-snapped").get_attribute("style") == before


def test_a_saved_picture_brings_its_settings_back(answered: Visit, open_page: Open) -> None:
    with answered.page.expect_download() as waiting:
        answered.page.locator("#save-picture").click()
    saved = Path(waiting.value.path()).read_bytes()
    assert read_image(saved)[1]["prompt"] == PROMPT

    other = open_page()
    other.page.get_by_role("tab", name="Upload").click()
    other.page.locator(".drop input").set_input_files(
        {"name": "saved.png", "mimeType": "image/png", "buffer": saved}
    )
    expect(other.status).to_contain_text("Settings restored")
    expect(other.page.locator("#caption textarea")).to_have_value(PROMPT)
    other.page.get_by_role("tab", name="Generate").click()
    expect(other.page.locator("#prompt textarea")).to_have_value(PROMPT)
    expect(other.legend).to_contain_text("seed 0 · 4 steps")


def test_an_earlier_run_stands_beside_this_one(open_page: Open) -> None:
    visit = open_page()
    for prompt in ("a cat on a table", "a dog on a table"):
        visit.generate(prompt, steps=2)
        visit.choose("clip-text")
        visit.effort("instant")
        visit.attribute()
    visit.page.locator("#history-open").click()
    rows = visit.page.locator(".past-run")
    expect(rows).to_have_count(2)
    rows.nth(1).hover()
    rows.nth(1).get_by_role("button", name="Compare").click()
    titles = visit.page.locator(".strip h3")
    expect(titles).to_have_count(2)
    expect(titles.nth(1)).to_contain_text("Earlier: a cat on a table")
    visit.panel("Compare")
    expect(visit.page.locator("#overlap tbody tr")).to_have_count(1)


def test_more_ranks_of_every_row_come_when_they_are_asked_for(answered: Visit) -> None:
    answered.page.get_by_role("tab", name="Training images").click()
    rows = [answered.strip(method).locator(".cell[data-id]") for method in ("clip", "dino")]
    more = answered.strip("clip").get_by_role("button", name="24 more of every row")
    more.scroll_into_view_if_needed()
    before = answered.page.locator(".strips").evaluate("strips => strips.scrollLeft")
    assert before > 0
    more.press("Enter")
    for row in rows:
        expect(row).to_have_count(48)
    expect(rows[0].nth(24)).to_be_focused()
    assert answered.page.locator(".strips").evaluate("strips => strips.scrollLeft") == before
    assert ids_of(answered.strip("clip")) == list(dict.fromkeys(ids_of(answered.strip("clip"))))


def instantly(open_page: Open) -> Visit:
    """An answer that is looked up, by first order and beside it CLIP."""
    visit = open_page()
    visit.generate("a dog on the beach", steps=2)
    visit.choose("first-order", "clip")
    visit.effort("instant")
    visit.attribute()
    return visit


def test_only_what_stands_out_is_shown_when_it_is_asked_for(open_page: Open) -> None:
    visit = instantly(open_page)
    only = visit.page.locator(".only-out")
    marked = visit.page.locator('.strip[data-method="first-order"] .cell:has(.out)')
    out = {str(cell.get_attribute("data-id")) for cell in marked.all()}
    assert out
    only.click()
    expect(only).to_have_attribute("aria-pressed", "true")
    expect(only).to_be_focused()
    for method in ("first-order", "clip"):
        row = visit.page.locator(f'.strip[data-method="{method}"]')
        assert set(ids_of(row)) == out
    only.click()
    expect(visit.strip("clip").locator(".cell[data-id]")).to_have_count(24)


def test_what_is_remembered_better_stands_apart_below_and_can_be_looked_at(open_page: Open) -> None:
    visit = instantly(open_page)
    apart = visit.page.locator(".better-strips")
    expect(apart.locator("h3")).to_have_text("The other direction: remembered better after unlearning")
    cells, row = apart.locator(".cell[data-id]"), visit.page.locator('.strip[data-method="first-order"]')
    assert {str(cell.get_attribute("data-id")) for cell in cells.all()}.isdisjoint(ids_of(row))
    cells.first.click()
    dialog = visit.page.locator("dialog.detail")
    expect(dialog.locator(".detail-place")).to_contain_text("First order")
    expect(dialog.locator("table")).to_contain_text("\N{MINUS SIGN}")
