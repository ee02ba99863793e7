"""Laws of a picture that was sent, without a browser."""

from __future__ import annotations

from typing import Any

import pytest

from app.events.context import PageContext
from app.events.upload import UploadEvents
from app.runtime.model_loader import ModelLoader
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


def test_of_two_pictures_that_wait_for_the_model_the_later_is_shown(
    upload: UploadEvents, page: PageContext, request_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (page.uploads.put(Upload(solid(colour), {})) for colour in ("teal", "white"))
    later: list[Any] = []

    def waits(_: ModelLoader) -> None:
        if not later:
            later.append(None)
            later.append(upload.receive(event(token=second), "", request_of))

    monkeypatch.setattr(ModelLoader, "wait", waits)
    assert upload.receive(event(token=first), "", request_of) == page.unchanged()
    assert "write its caption" in later[1][page.action.status]
