"""Laws of the page's words and numbers: scores, progress, sessions, boxes, files."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest
from PIL import Image

from app.events.attribute import asked, summary
from app.panels.stage import box_of, legend, parts_view, stage_view
from app.runs.examples import Question, question_list, read_questions
from app.runs.export import name_of, write_csv, write_json, write_picture
from app.runs.run import MAX_PARTS, Part, Picture, Run
from app.runtime.sessions import MAX_SESSIONS, Session, Sessions, Upload, Uploads
from app.views import status
from app.views.pictures import on_screen
from app.views.scores import figures_of
from attribution.data.images import read_image
from attribution.errors import BoxError, CaptionError, InputError, SettingsError, WorkspaceError
from attribution.query import Box, Query, Settings
from attribution.results import Attribution, Entry, Progress, Ranking
from demo.vocabulary import all_captions
from tests.worlds import ROOT
from tests.worlds.rankings import ranking_of

WHITE = Image.new("RGB", (64, 64), "white")


def entry(score: float, stderr: float | None = None) -> Entry:
    return Entry(1, "id", 0, "id.png", "a dog", score, stderr)


# Scores


def test_scores_of_one_ranking_share_unit_and_digits() -> None:
    entries = [entry(0.0156, 0.0017), entry(0.0021, 0.0018)]
    figures = figures_of(entries)
    assert [figures.both(each) for each in entries] == ["15.6 ± 1.7 × 10⁻³", "2.1 ± 1.8 × 10⁻³"]


def test_scores_without_errors_have_three_digits_and_a_true_minus() -> None:
    figures = figures_of([entry(0.9871), entry(-0.25)])
    assert figures.both(entry(0.9871)) == "0.987"
    assert figures.both(entry(-0.25)) == "−0.250"
    assert figures.both(entry(-0.0001)) == "0.000"


@pytest.mark.parametrize("scale", [0.0, 1e-12, 1e-3, 1.0, 1e3, 1e12])
def test_scores_of_any_size_are_written_short(scale: float) -> None:
    entries = [entry(scale, scale / 20), entry(scale / 3, scale / 30)]
    assert all(len(figures_of(entries).score(each)) <= 9 for each in entries)


# Progress


@pytest.mark.parametrize(
    ("seconds", "done", "total", "words"),
    [
        (10, 0, 100, ""),
        (0.1, 5, 100, ""),
        (10, 100, 100, ""),
        (10, 50, 100, "about 10 s left"),
        (10, 95, 100, "a moment left"),
        (60, 10, 100, "about 9 min left"),
    ],
)
def test_time_left_follows_the_pace_so_far(seconds: float, done: int, total: int, words: str) -> None:
    assert status.time_left(seconds, done, total) == words


def test_progress_is_told_a_few_times_a_second_and_at_each_new_stage() -> None:
    now = 0.0
    pace = status.Pace(every=0.2, clock=lambda: now)
    told = []
    for step in range(101):
        now = step / 100
        stage = "unlearning" if step < 50 else "measuring"
        told.append(pace.line(Progress("abu", stage, step, 100), "AbU") is not None)
    assert 5 <= sum(told) <= 8
    assert told[0]
    assert told[50]


def test_progress_is_a_bar_a_count_and_words() -> None:
    line = status.running("AbU: measuring", "25 of 100", 0.25, "about 3 s left")
    for part in ("width:25.0%", "AbU: measuring", "25 of 100", "about 3 s left"):
        assert part in line


def test_a_status_is_escaped_and_a_failure_is_announced() -> None:
    assert "<b>" not in status.failed("<b>")
    assert 'role="alert"' in status.failed("no")
    assert 'role="status"' in status.done("yes")


# Sessions


def test_two_open_pages_share_nothing() -> None:
    sessions = Sessions()
    sessions.of("one").show(Picture(WHITE, "mine"))
    assert sessions.of("two").picture is None
    assert sessions.of("one").picture is not None


def test_a_new_run_stops_the_old_and_a_closed_page_stops_its_own() -> None:
    sessions = Sessions()
    first = sessions.of("one").begin()
    second = sessions.of("one").begin()
    assert first.is_set()
    assert not second.is_set()
    sessions.close("one")
    assert second.is_set()


def test_only_so_many_pages_are_remembered() -> None:
    sessions = Sessions()
    first = sessions.of("0").begin()
    for key in range(1, MAX_SESSIONS + 1):
        sessions.of(str(key))
    assert first.is_set()


def test_a_new_picture_takes_the_old_ones_answer_away() -> None:
    session = Session(boxes=(Box(0, 0, 0.5, 1),), run=run_of("a dog", {}))
    session.show(Picture(WHITE, "new"))
    assert session.run is None
    assert session.boxes == ()


def test_an_upload_can_be_taken_once_and_only_by_its_word() -> None:
    uploads = Uploads()
    token = uploads.put(Upload(WHITE, {}))
    assert uploads.take("guess") is None
    assert uploads.take(None) is None
    assert uploads.take(["list"]) is None
    assert uploads.take(token) is not None
    assert uploads.take(token) is None


# The box


def test_four_empty_sides_are_the_whole_picture_and_some_are_an_error() -> None:
    assert box_of([None] * 4) is None
    assert box_of([0, 0.25, 0.5, 1]) == Box(0, 0.25, 0.5, 1)
    for sides in ([0.1, None, 0.5, 0.5], [0.5, 0, 0.1, 1], [0, 0, 2, 1], [0, 0, 1], ["0", 0, 1, 1]):
        with pytest.raises(BoxError):
            box_of(sides)


def test_the_stage_shows_the_box_that_the_model_will_use() -> None:
    box, grid = Box(0.52, 0.37, 0.93, 0.83), (16, 16)
    view = stage_view(Picture(WHITE, "a dog"), [box], 0, grid)
    assert view["boxes"][0]["snapped"] == list(box.snapped(*grid).as_tuple())
    assert "7 × 9 of the model's 16 × 16" in parts_view(Picture(WHITE), [box], 0, grid)


def test_several_parts_can_be_chosen_and_removed_and_no_more_than_the_most_added() -> None:
    boxes = [Box(0.2 * k, 0, 0.2 * k + 0.2, 1) for k in range(MAX_PARTS)]
    shown = parts_view(Picture(WHITE), boxes[:-1], 1, (16, 16))
    assert shown.count('data-do="choose"') == shown.count('data-do="remove"') == MAX_PARTS - 1
    assert 'data-do="another"' in shown
    assert 'data-do="another"' not in parts_view(Picture(WHITE), boxes, 0, (16, 16))
    assert "whole picture" in parts_view(Picture(WHITE), [], 0, (16, 16))


@pytest.mark.parametrize("size", [(64, 64), (3, 1), (300, 120), (2000, 1000)])
def test_pictures_come_to_the_size_of_the_screen_and_keep_their_shape(size: tuple[int, int]) -> None:
    with Image.open(io.BytesIO(on_screen(Image.new("RGB", size, "teal"), 192))) as shown:
        assert 192 <= max(shown.size) <= 2 * 192
        assert shown.width * size[1] == pytest.approx(shown.height * size[0], rel=0.02)


def test_the_legend_says_how_a_picture_was_made_and_escapes_its_prompt() -> None:
    made = {"seed": 7, "steps": 30, "guidance": 2.0}
    shown = legend(Picture(WHITE, "<b> ${1}", made))
    assert "seed 7 · 30 steps · guidance 2" in shown
    assert "<b>" not in shown
    assert "cut to its centre square" in legend(Picture(WHITE, "", {}, (300, 120)))
    assert "cut" not in legend(Picture(WHITE, "", {}, (120, 120)))


# The question


def test_a_question_without_picture_caption_or_method_says_what_to_do() -> None:
    with pytest.raises(SettingsError, match="picture first"):
        asked(Session(), ["random"], "refined", "a dog")
    session = Session(picture=Picture(WHITE))
    with pytest.raises(CaptionError, match="write it"):
        asked(session, ["random"], "refined", " ")
    with pytest.raises(SettingsError, match="at least one"):
        asked(session, [], "refined", "a dog")
    with pytest.raises(InputError, match="measures nothing"):
        asked(session, ["abu"], "instant", "a dog")


def test_a_generated_picture_is_asked_about_under_its_own_prompt() -> None:
    session = Session(picture=Picture(WHITE, "a cat on snow", {"seed": 1}))
    (part,) = asked(session, ["random"], "refined", "something else").parts
    assert part.query.caption == "a cat on snow"
    assert part.query.box is None


def test_each_box_is_a_query_of_its_own() -> None:
    boxes = (Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1))
    run = asked(Session(picture=Picture(WHITE, "a cat"), boxes=boxes), ["random"], "refined", "")
    assert [(part.label, part.query.box) for part in run.parts] == [("A", boxes[0]), ("B", boxes[1])]


def test_methods_the_page_does_not_know_are_not_asked() -> None:
    session = Session(picture=Picture(WHITE, "a cat"))
    with pytest.raises(InputError):
        asked(session, ["../abu"], "refined", "")


def run_of(caption: str, rankings: dict[str, Ranking], attribution: Attribution | None = None) -> Run:
    part = Part("A", Query(WHITE, caption or "nothing"), rankings, attribution)
    return Run(Picture(WHITE, caption), caption, tuple(rankings), Settings(), (part,))


def test_the_summary_says_how_far_the_measuring_methods_looked() -> None:
    slow = ranking_of(
        [entry(1, 0.1)],
        "abu",
        title="AbU",
        seconds=3.0,
        candidates="a shortlist of 400 of 3,000 training images",
    )
    fast = ranking_of([entry(1)], candidates="all 3,000 training images")
    assert summary(run_of("a dog", {"abu": slow, "clip": fast})) == (
        "Done in 3.1 s. AbU measured a shortlist of 400 of 3,000 training images."
    )
    assert "Nothing was measured" in summary(run_of("a dog", {"clip": fast}))


# Examples


def test_the_shipped_questions_can_be_asked_of_the_embedded_world() -> None:
    questions = read_questions(ROOT / "assets" / "demo" / "examples.json")
    assert len(questions) == 6
    assert {question.prompt for question in questions} <= set(all_captions())
    for question in questions:
        assert question.box is None or question.about.removeprefix("the ") in question.prompt


def test_no_file_is_no_questions_and_a_damaged_one_is_an_error(tmp_path: Path) -> None:
    assert read_questions(tmp_path / "none.json") == ()
    for text in ("{", '[{"prompt": "a"}]', '[{"prompt": "a", "seed": 1, "box": [1, 0, 0, 1]}]', "[3]"):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(WorkspaceError):
            read_questions(tmp_path / "bad.json")


def test_questions_are_escaped_and_known_by_their_index() -> None:
    shown = question_list([Question("<b>", 1), Question("b", 2, Box(0, 0, 1, 1), "the <i>")])
    assert "<b>" not in shown
    assert "<i>" not in shown
    assert 'data-index="1"' in shown


# Files


def answer(caption: str) -> Run:
    ranked = ranking_of([entry(1.5, 0.1)], "abu", title="AbU", details={"alpha": 2.0})
    whole = Attribution({"caption": caption}, {"seed": 0}, {"model": "m"}, {"abu": ranked})
    return run_of(caption, {"abu": ranked}, whole)


def test_exports_parse_and_keep_every_digit() -> None:
    written = json.loads(write_json(answer("a dog")).read_text())
    assert written["methods"]["abu"]["ranking"][0]["score"] == 1.5
    text = write_csv(answer("a dog")).read_text()
    (line,) = csv.DictReader(row for row in io.StringIO(text) if not row.startswith("#"))
    assert math.isclose(float(line["stderr"]), 0.1)


@pytest.mark.parametrize("caption", ["../../etc/passwd", "a" * 500, "", "C:\\x\x00", "🐕 & 'quoted'"])
def test_no_caption_leads_a_file_elsewhere(caption: str) -> None:
    assert set(name_of(caption)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(name_of(caption)) <= 70
    assert write_json(answer(caption)).is_file()


def test_a_saved_picture_carries_its_settings() -> None:
    made = {"prompt": "a dog", "seed": 3, "steps": 30, "guidance": 2.0}
    assert read_image(write_picture(Picture(WHITE, "a dog", made)))[1] == made
