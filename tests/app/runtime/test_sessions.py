"""Laws of what each open page has in hand."""

from __future__ import annotations

from PIL import Image

from app.runs.run import Picture, Run, parts_of
from app.runtime.sessions import (
    MAX_SESSIONS,
    MAX_UPLOADS,
    UPLOADED_FOR,
    Session,
    Sessions,
    Upload,
    Uploads,
)
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


def test_the_page_that_was_used_longest_ago_is_stopped_when_there_are_too_many() -> None:
    """Law: Beyond the limit the page that was used longest ago is stopped, and no other."""
    sessions = Sessions()
    stops = [sessions.of(str(key)).begin() for key in range(MAX_SESSIONS)]
    first = sessions.of("0")  # used again
    sessions.of("one more")
    assert [number for number, stop in enumerate(stops) if stop.is_set()] == [1]
    assert sessions.of("0") is first


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


def test_beyond_the_limit_the_upload_that_came_first_is_gone() -> None:
    uploads = Uploads()
    words = [uploads.put(Upload(WHITE, {})) for _ in range(MAX_UPLOADS + 1)]
    assert [uploads.take(word) is None for word in words] == [True] + [False] * MAX_UPLOADS


def test_uploads_are_bounded_in_bytes_and_forgotten_after_a_time() -> None:
    """Law: Pictures that were sent and never asked about are bounded in bytes, and go after a while."""
    now = [0.0]
    uploads = Uploads(clock=lambda: now[0])
    large = Upload(Image.new("1", (8000, 5000)), {})  # 120 MB each: five of them
    words = [uploads.put(large) for _ in range(6)]
    assert [uploads.take(word) is None for word in words] == [True] + [False] * 5
    word = uploads.put(Upload(WHITE, {}))
    now[0] = UPLOADED_FOR + 1
    assert uploads.take(word) is None
