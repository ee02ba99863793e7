"""Laws of captions of any text in what is taken away: tables, JSON, reports."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.runs.export import answer_json, name_of
from app.runs.run import Run
from app.views.report import report
from attribution.serialization import FORMULA, to_csv
from attribution.workspace.workspace import Workspace
from tests.worlds.answers import answered_run, with_captions
from tests.worlds.markup import Reader

HOSTILE = st.sampled_from(
    ("=1+1", "<script>alert(1)</script>", "\r\n=x", '"><img src=x>', "{{7*7}}", "@x,=y", "﻿=1")
)
CAPTIONS = st.builds(lambda *parts: "".join(parts), st.text(), HOSTILE | st.just(""), st.text()).filter(
    str.strip
)


@pytest.fixture(scope="module")
def run(tiny_world: Workspace) -> Run:
    return answered_run(tiny_world, methods=("pixel",))


@given(CAPTIONS)
@example(" =1")  # spreadsheets trim
def test_no_caption_of_any_text_is_a_formula(run: Run, caption: str) -> None:
    """Law: A caption of any text is one cell of a table, and no formula."""
    asked = with_captions(run, caption)
    assert asked.parts[0].attribution is not None
    before = list(csv.reader(io.StringIO(to_csv(run.parts[0].attribution), newline="")))  # type: ignore[arg-type]
    lines = list(csv.reader(io.StringIO(to_csv(asked.parts[0].attribution), newline="")))
    assert [len(line) for line in lines if line and not line[0].startswith("#")] == [
        len(line) for line in before if line and not line[0].startswith("#")
    ]
    cells = [cell.strip() for line in lines for cell in line]
    assert [cell for cell in cells if cell[:1] in FORMULA and not is_number(cell)] == []


def is_number(cell: str) -> bool:
    """Whether a cell is a number of ours, which may be negative."""
    try:
        float(cell)
    except ValueError:
        return cell == ""
    return True


@given(CAPTIONS)
def test_a_caption_of_any_text_comes_back_from_json(run: Run, caption: str) -> None:
    """Law: A caption of any text comes back from JSON as it was."""
    asked = with_captions(run, caption)
    told = json.loads(json.dumps(answer_json(asked), ensure_ascii=False, allow_nan=False))
    assert {line["caption"] for line in told["methods"]["pixel"]["ranking"]} == {caption}


@pytest.mark.slow
@settings(max_examples=max(4, settings.default.max_examples // 10))  # a report takes a second
@given(CAPTIONS)
def test_a_caption_of_any_text_adds_no_tag_to_a_report(
    tiny_world: Workspace, run: Run, caption: str
) -> None:
    """Law: A caption of any text is text in a report."""
    plain = Reader(report(with_captions(run, "plain"), tiny_world))
    found = Reader(report(with_captions(run, caption), tiny_world))
    assert found.tags == plain.tags


@given(CAPTIONS)
def test_a_caption_of_any_text_makes_a_plain_file_name(caption: str) -> None:
    name = name_of(caption)
    assert name
    assert name[0] != "."
    assert all(sign.isalnum() or sign in "-_" for sign in name)
