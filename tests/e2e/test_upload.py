"""Pictures that are brought to the page, in a real browser."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import expect

from tests.e2e.conftest import SCENES, Open, ids_of
from tests.worlds import ROOT


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


def test_where_nothing_stands_out_the_page_says_so_before_all_else(open_page: Open, tmp_path: Path) -> None:
    """Law: A picture that nothing stands out of has a banner, the worst warning open, and dimmed rows."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "foreign.png")
    visit = open_page()
    visit.page.get_by_role("tab", name="Upload").click()
    visit.page.locator(".drop input").set_input_files(tmp_path / "foreign.png")
    visit.page.locator("#caption textarea").fill("static on an old television")
    expect(visit.page.locator("#attribute")).to_be_enabled()
    visit.choose("first-order", "clip")
    visit.effort("instant")
    visit.attribute()
    said = visit.page.locator("#board .warnings > p")
    expect(said.first).to_contain_text("Nothing stands out.")
    expect(said.nth(1)).to_contain_text("No training caption has 'static', 'old', 'television'")
    expect(said.nth(1)).to_be_visible()
    doubtful = visit.page.locator(".strip.is-doubtful")
    expect(doubtful).to_have_count(1)
    expect(doubtful).to_have_attribute("data-method", "first-order")
    apart = visit.page.locator('.unsure-strip[data-method="first-order"]')
    sure, unsure = (
        [int(rank) for rank in place.locator(".rank").all_inner_texts()] for place in (doubtful, apart)
    )
    assert unsure  # of noise, much may be nothing: it stands apart, below all rows
    assert set(range(1, 25)) <= {*sure, *unsure}
    assert not set(sure) & set(unsure)
    expect(doubtful.locator(".strip-how")).to_contain_text(f"{len(unsure)} unsure, below")
    row, below = visit.page.locator(".strip").last.bounding_box(), apart.bounding_box()
    assert row is not None
    assert below is not None
    assert below["y"] >= row["y"] + row["height"]
    apart.locator(".cell").first.click()
    why = visit.page.locator("dialog.detail .detail-why")
    expect(why).to_contain_text("may be noise")
    expect(why).to_contain_text("does not stand out")
    expect(why).to_contain_text("pictures that have nothing to do with it")
    expect(why).to_contain_text("shares no telling word")
    visit.page.keyboard.press("Escape")
