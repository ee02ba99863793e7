"""What an answer says in a sentence, as a person reads it on the page, in the report and in the JSON."""

from __future__ import annotations

import html
import json
from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.conftest import Open, Visit


def taken_away(visit: Visit, name: str) -> str:
    expect(visit.page.locator(f"#download-{name}")).to_be_enabled()
    with visit.page.expect_download() as waiting:
        visit.page.locator(f"#download-{name}").click()
    return Path(waiting.value.path()).read_text(encoding="utf-8")


def test_a_person_reads_in_a_sentence_what_the_answer_says(open_page: Open) -> None:
    """Law: The sentence over an answer is the one in its JSON and its report, and goes with the answer."""
    visit = open_page()
    finding = visit.page.locator("#finding .finding p")
    expect(finding).to_have_count(0)
    visit.generate()
    visit.choose("clip", "pixel")
    visit.effort("instant")
    visit.attribute()
    expect(finding).to_have_count(1)
    said = finding.inner_text()
    assert said.startswith("By CLIP image, ")
    assert said.endswith(" of these 20 images.")
    assert finding.bounding_box()["y"] < visit.page.locator("#board .strip").first.bounding_box()["y"]  # type: ignore[index]
    assert json.loads(taken_away(visit, "json"))["summary"]["sentence"] == said
    assert said in html.unescape(taken_away(visit, "report"))
    visit.generate("a cat on a table")
    expect(finding).to_have_count(0)


def test_where_the_banner_says_that_nothing_stands_out_no_sentence_says_more(open_page: Open) -> None:
    """Law: Where nothing stands out the page says that once, and not what the first images share."""
    visit = open_page()
    visit.generate("qwerty asdf")
    visit.choose("first-order", "clip")
    visit.effort("instant")
    visit.attribute()
    banner = visit.page.locator("#board .note strong", has_text="Nothing stands out")
    sentences = visit.page.locator("#finding .finding p")
    expect(visit.page.locator("#board .strip .rank").first).to_be_visible()
    assert banner.count() + sentences.count() == 1
