"""What a person does on the page, in a real browser."""

from __future__ import annotations

import base64
import csv
import io
import json
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from attribution.data.images import read_image
from tests.e2e.conftest import PROMPT, ROOT, SCENES, Open, Visit, ids_of

HOSTILE = '<img src=x onerror="window.harmed=1"> ${window.harmed=1} a dog on snow'


# Generate, box, attribute


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
        if way == "click":
            cell.click()
        else:
            cell.focus()
            answered.page.keyboard.press("Enter")
        expect(dialog).to_be_visible()
        expect(dialog.locator("h3")).to_have_text(str(cell.get_attribute("title")))
        expect(dialog.locator("tbody tr")).to_have_count(3)
        expect(dialog.locator('tr[data-method="abu"] td').first).to_contain_text("2 of 84")  # measured
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
    assert [line["id"] for line in answer["methods"]["abu"]["ranking"]][: len(shown)] == shown

    with answered.page.expect_download() as waiting:
        answered.page.locator("#download-csv").click()
    text = Path(waiting.value.path()).read_text(encoding="utf-8")
    rows = list(csv.DictReader(line for line in io.StringIO(text) if not line.startswith("#")))
    assert {row["method"] for row in rows} == {"abu", "clip", "dino"}
    assert [row["id"] for row in rows if row["method"] == "abu"][: len(shown)] == shown


def test_the_scores_are_drawn_without_leaving_the_machine(answered: Visit) -> None:
    answered.page.get_by_role("tab", name="Scores").click()
    expect(answered.page.locator("#plot .js-plotly-plot .scatterlayer .trace")).to_have_count(3)
    answered.page.get_by_role("tab", name="Training images").click()
    assert answered.outside == []


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


# Stop


def test_stop_ends_a_long_run_and_leaves_the_page_usable(open_page: Open) -> None:
    visit = open_page()
    visit.generate()
    visit.choose("abu", "clip")
    visit.effort("exhaustive")
    visit.page.locator("#attribute").click()
    expect(visit.strip("clip").locator(".cell[data-id]").first).to_be_visible()
    expect(visit.status).to_contain_text("Unlearning")
    visit.page.locator("#stop").click()
    expect(visit.status).to_have_attribute("data-state", "idle")
    expect(visit.status).to_contain_text("Stopped")
    expect(visit.strip("clip").locator(".cell[data-id]").first).to_be_visible()  # what was done stays

    visit.effort("instant")
    visit.attribute()
    assert visit.page.locator(".strip").count() == 1


# Uploads


def test_a_training_image_with_its_caption_finds_itself(open_page: Open) -> None:
    example = json.loads((SCENES / "metadata.jsonl").read_text(encoding="utf-8").splitlines()[4])
    visit = open_page()
    visit.page.get_by_role("tab", name="Upload").click()
    visit.page.locator(".drop input").set_input_files(SCENES / example["file_name"])
    expect(visit.legend).to_contain_text("your picture, 64 × 64")
    visit.choose("pixel")
    visit.effort("instant")

    visit.page.locator("#attribute").click()
    expect(visit.status).to_have_attribute("data-state", "failed")
    expect(visit.status).to_contain_text("needs its caption")

    visit.page.locator("#caption textarea").fill(example["text"])
    visit.page.keyboard.press("Control+Enter")
    expect(visit.status).to_have_attribute("data-state", "done")
    assert ids_of(visit.strip("pixel"))[0] == example["id"]


def test_a_picture_can_be_dropped_and_pasted(open_page: Open) -> None:
    example = json.loads((SCENES / "metadata.jsonl").read_text(encoding="utf-8").splitlines()[2])
    data = base64.b64encode((SCENES / example["file_name"]).read_bytes()).decode()
    for way, target in (("paste", "document"), ("drop", "document.querySelector('.stage')")):
        visit = open_page()
        visit.page.evaluate(
            """([data, way, target]) => {
                const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
                const carried = new DataTransfer();
                carried.items.add(new File([bytes], "scene.png", { type: "image/png" }));
                const more = { bubbles: true, cancelable: true };
                eval(target).dispatchEvent(way === "paste"
                    ? new ClipboardEvent("paste", { clipboardData: carried, ...more })
                    : new DragEvent("drop", { dataTransfer: carried, ...more }));
            }""",
            [data, way, target],
        )
        expect(visit.legend).to_contain_text("your picture, 64 × 64")


def test_a_file_that_is_no_picture_is_refused_in_words(open_page: Open) -> None:
    visit = open_page()
    visit.page.get_by_role("tab", name="Upload").click()
    for data in (b"this is not a picture", b"\x89PNG\r\n\x1a\n cut short"):
        visit.page.locator(".drop input").set_input_files(
            {"name": "holiday.png", "mimeType": "image/png", "buffer": data}
        )
        expect(visit.status).to_have_attribute("data-state", "failed")
        words = visit.status.inner_text()
        assert "picture" in words
        assert not any(leak in words for leak in ("/tmp", str(ROOT), "Traceback", ".py"))
    expect(visit.page.locator("#attribute")).to_be_disabled()


def test_a_wide_picture_is_cut_to_its_centre_square_and_said_so(open_page: Open, tmp_path: Path) -> None:
    Image.new("RGB", (300, 120), "teal").save(tmp_path / "wide.jpg")
    visit = open_page()
    visit.page.get_by_role("tab", name="Upload").click()
    visit.page.locator(".drop input").set_input_files(tmp_path / "wide.jpg")
    expect(visit.legend).to_contain_text("300 × 120, cut to its centre square")


# Safety, and other people


def test_a_hostile_prompt_is_shown_as_text(open_page: Open) -> None:
    visit = open_page()
    visit.generate(HOSTILE, steps=1)
    assert visit.legend.locator("img").count() == 0
    visit.choose("clip-text")
    visit.effort("instant")
    visit.attribute()
    assert visit.page.evaluate("window.harmed") is None


def test_two_people_at_once_keep_their_own_pictures(open_page: Open) -> None:
    prompts = ("a panda on the beach", "a rocket on the moon")
    visits = [open_page(), open_page()]
    for visit, prompt in zip(visits, prompts, strict=True):
        visit.page.locator("#prompt textarea").fill(prompt)
    for visit in visits:
        visit.page.locator("#generate").click()
    for visit, prompt in zip(visits, prompts, strict=True):
        expect(visit.legend).to_contain_text(prompt)
    for visit in visits:
        visit.choose("clip")
        visit.effort("instant")
        visit.page.locator("#attribute").click()
    for visit, prompt in zip(visits, prompts, strict=True):
        expect(visit.status).to_have_attribute("data-state", "done")
        with visit.page.expect_download() as waiting:
            visit.page.locator("#download-json").click()
        answer = json.loads(Path(waiting.value.path()).read_text(encoding="utf-8"))
        assert answer["query"]["caption"] == prompt


# Every screen, every hand


def test_a_phone_never_scrolls_sideways(open_page: Open) -> None:
    visit = open_page(width=360, height=740, dark=True)
    width = "document.documentElement.scrollWidth - window.innerWidth"
    assert visit.page.evaluate(width) <= 0
    visit.generate("a cat on a table", steps=2)
    visit.choose("clip", "dino", "pixel")
    visit.effort("instant")
    visit.attribute()
    assert visit.page.evaluate(width) <= 0
    visit.page.get_by_role("tab", name="Compare").click()
    assert visit.page.evaluate(width) <= 0
    expect(visit.page.locator("#attribute")).to_be_in_viewport()  # and the button is at hand
    expect(visit.status).to_be_in_viewport()


def test_the_box_can_be_drawn_and_moved_by_keys_and_typed(open_page: Open) -> None:
    visit = open_page()
    visit.generate(steps=1)
    visit.page.locator(".stage").focus()
    visit.page.keyboard.press("Enter")
    visit.page.keyboard.press("ArrowRight")
    visit.page.get_by_role("button", name="Type the box").click()
    expect(visit.page.locator("#box-left input")).to_have_value("0.3125")
    visit.page.locator("#box-left input").fill("0.5")
    visit.page.locator("#box-left input").press("Enter")
    expect(visit.page.locator("#parts")).to_contain_text("5 × 8")
    visit.page.locator("#box-right input").fill("0.4")
    visit.page.locator("#box-right input").press("Enter")
    expect(visit.status).to_contain_text("reversed")
    visit.page.locator("#box-right input").fill("0.9")
    visit.page.locator("#box-right input").press("Enter")
    expect(visit.status).not_to_contain_text("reversed")
    visit.page.locator("#clear-box").click()
    expect(visit.page.locator("#parts")).to_contain_text("whole picture")


def test_control_enter_in_the_prompt_generates(open_page: Open) -> None:
    visit = open_page()
    visit.page.locator("#prompt textarea").fill("a cow on a field")
    visit.page.keyboard.press("Control+Enter")
    expect(visit.legend).to_contain_text("a cow on a field")


def test_an_example_asks_its_question_by_itself(open_page: Open) -> None:
    visit = open_page()
    visit.choose("clip", "pixel")
    visit.effort("instant")
    visit.page.get_by_role("tab", name="Examples").click()
    visit.page.locator("#examples [data-index]").first.click()
    expect(visit.status).to_have_attribute("data-state", "done")
    assert visit.page.locator(".strip").count() == 2


def test_the_picture_can_be_watched_while_it_is_made(open_page: Open) -> None:
    visit = open_page()
    visit.page.evaluate(
        "() => { window.seen = new Set(); new MutationObserver(() => window.seen.add("
        "document.querySelector('.stage').className)).observe(document.querySelector('.stage'), "
        "{ attributes: true }); }"
    )
    visit.generate(steps=40)
    assert any("is-preview" in name for name in visit.page.evaluate("[...window.seen]"))
    assert "is-preview" not in str(visit.page.locator(".stage").get_attribute("class"))


# Many people


def test_ten_people_at_once_each_get_their_own_right_answer(open_page: Open) -> None:
    things = ("cat", "dog", "cow", "zebra", "panda", "penguin", "turtle", "duck", "clock", "cake")
    visits = [open_page() for _ in things]
    for visit, thing in zip(visits, things, strict=True):
        visit.page.locator("#prompt textarea").fill(f"a {thing} on a road")
        visit.choose("clip-text")
        visit.effort("instant")
    for visit in visits:
        visit.page.locator("#generate").click()
    for visit, thing in zip(visits, things, strict=True):
        expect(visit.legend).to_contain_text(thing)
        expect(visit.page.locator("#attribute")).to_be_enabled()
        visit.page.locator("#attribute").click()
    told = [ids_of_the_best(visit) for visit in visits]
    for visit, thing, best in zip(visits, things, told, strict=True):
        with visit.page.expect_download() as waiting:
            visit.page.locator("#download-json").click()
        answer = json.loads(Path(waiting.value.path()).read_text(encoding="utf-8"))
        assert answer["query"]["caption"] == f"a {thing} on a road"
        assert answer["methods"]["clip-text"]["ranking"][0]["id"] == best
        visit.page.context.close()


def ids_of_the_best(visit: Visit) -> str:
    expect(visit.status).to_have_attribute("data-state", "done")
    return ids_of(visit.page.locator('.strip[data-method="clip-text"]'))[0]


def test_who_waits_is_told_how_many_are_before_them(open_page: Open) -> None:
    first, second = open_page(), open_page()
    for visit in (first, second):
        visit.generate(steps=2)
        visit.choose("abu")
        visit.effort("exhaustive")
    first.page.locator("#attribute").click()
    expect(first.status).to_contain_text("Unlearning")
    second.page.locator("#attribute").click()
    expect(second.status).to_contain_text("1 person before you")
    first.page.locator("#stop").click()
    expect(second.status).to_contain_text("Unlearning")  # it is their turn
    second.page.locator("#stop").click()
    expect(second.status).to_contain_text("Stopped")


# The seed, touch, terms, and earlier runs


def test_the_seed_can_be_randomised_and_reused(open_page: Open) -> None:
    visit = open_page()
    visit.generate(steps=1)
    seed = visit.page.locator("#seed input")
    visit.page.locator("#randomise").click()
    expect(seed).not_to_have_value("0")
    visit.page.locator("#reuse").click()
    expect(seed).to_have_value("0")


def test_a_box_can_be_drawn_with_a_finger(open_page: Open) -> None:
    visit = open_page(width=360, height=780)
    visit.generate(steps=1)
    visit.page.locator(".stage").scroll_into_view_if_needed()
    visit.page.evaluate(
        """() => {
            const stage = document.querySelector(".stage"), area = stage.getBoundingClientRect();
            stage.setPointerCapture = () => {};
            const touch = (type, x, y) => stage.dispatchEvent(new PointerEvent(type, {
                pointerType: "touch", pointerId: 7, isPrimary: true, bubbles: true, button: 0,
                clientX: area.left + x * area.width, clientY: area.top + y * area.height,
            }));
            touch("pointerdown", 0.25, 0.25);
            touch("pointermove", 0.5, 0.6);
            touch("pointerup", 0.75, 0.75);
        }"""
    )
    expect(visit.page.locator("#parts")).to_contain_text("8 × 8")


def test_terms_explain_themselves_under_the_pointer_and_at_the_focus(open_page: Open) -> None:
    visit = open_page()
    tip = visit.page.locator("#tip")
    visit.page.locator('#methods label:has([name="abu"])').hover()
    expect(tip).to_contain_text("forgotten")
    visit.page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    visit.page.locator("#prompt textarea").focus()
    visit.page.keyboard.press("Tab")
    expect(tip).to_contain_text("the same picture")  # of the seed
    assert visit.page.evaluate("document.querySelector('[aria-describedby=tip]') !== null")


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
