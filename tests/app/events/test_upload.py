"""Laws of a picture that was sent, without a browser."""

from __future__ import annotations

from typing import Any

import pytest

from app.events.context import PageContext
from app.events.upload import UploadEvents
from app.runtime.sessions import Upload
from attribution.query import Box
from tests.worlds.answers import solid
from tests.worlds.gradio_event import event


@pytest.fixture
def upload(page: PageContext) -> UploadEvents:
    return UploadEvents(page)


def test_a_picture_comes_with_the_settings_and_boxes_that_it_was_saved_with(
    upload: UploadEvents, page: PageContext, request_of: Any
) -> None:
    made = {"prompt": "a dog", "seed": 3, "boxes": [[0, 0, 0.5, 1]]}
    token = page.uploads.put(Upload(solid("teal", 80), made))
    updates = upload.receive(event(token=token), "", request_of)
    session = page.session(request_of)
    assert session.boxes == (Box(0, 0, 0.5, 1),)
    assert session.picture is not None
    assert session.picture.original_size == (80, 80)
    assert (updates[page.source.form.prompt], updates[page.source.form.seed]) == ("a dog", 3)
    assert "restored" in updates[page.action.status]


@pytest.mark.parametrize(
    ("made", "caption", "words"),
    [({}, "a dog", "Draw a box"), ({}, " ", "write its caption"), ({"model": "x"}, "", "another model")],
)
def test_what_to_do_next_is_said(
    upload: UploadEvents, page: PageContext, request_of: Any, made: Any, caption: str, words: str
) -> None:
    token = page.uploads.put(Upload(solid("teal"), made))
    assert words in upload.receive(event(token=token), caption, request_of)[page.action.status]


def test_what_did_not_arrive_or_was_refused_is_said(
    upload: UploadEvents, page: PageContext, request_of: Any
) -> None:
    lost = upload.receive(event(token="guess"), "", request_of)
    assert "did not arrive" in lost[page.action.status]
    refused = upload.receive(event(refused="this is <b>no</b> picture"), "", request_of)
    assert "This is &lt;b&gt;no&lt;/b&gt; picture" in refused[page.action.status]
