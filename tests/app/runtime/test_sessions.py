"""Laws of what each open page has in hand."""

from __future__ import annotations

from app.runs.run import Picture, Run, parts_of
from app.runtime.sessions import MAX_SESSIONS, Session, Sessions, Upload, Uploads
from attribution.query import Box, Settings
from tests.worlds.answers import solid

WHITE = solid("white")
RUN = Run(Picture(WHITE), "a dog", (), Settings(), parts_of(WHITE, "a dog", ()))


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
    session = Session(boxes=(Box(0, 0, 0.5, 1),), run=RUN)
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
