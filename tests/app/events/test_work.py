"""Laws of what is said of a work that somebody brings."""

from __future__ import annotations

from PIL import Image

from app.events.context import PageContext
from app.events.work import WorkEvents
from app.runtime.sessions import Upload
from tests.worlds.gradio_event import event
from tests.worlds.markup import Reader


def said(page: PageContext, work: Image.Image) -> str:
    token = page.uploads.put(Upload(work, {}))
    return str(WorkEvents(page).bring(event(token=token))["html"])


def test_a_copy_is_named_by_its_row(page: PageContext) -> None:
    work = page.workspace.training_set.image(30)
    found = said(page, work)
    assert "It is in the training set: row 31 (train-00030)." in found
    assert Reader(found).texts.count("train-00030") >= 1
    assert "not what any other picture owes to it" in found


def test_without_a_copy_none_is_claimed_and_none_is_ruled_out(page: PageContext) -> None:
    found = said(page, Image.effect_noise((80, 80), 90).convert("RGB"))
    assert "Nothing here is nearer to it" in found
    assert "does not show that it was not trained on" in found
    assert "It is in the training set" not in found


def test_what_did_not_arrive_or_was_refused_is_told(page: PageContext) -> None:
    events = WorkEvents(page)
    lost = events.bring(event(token="x", at=1.0))
    assert "did not arrive" in lost["html"]
    assert events.bring(event(token="x", at=2.0)) == {**lost, "at": 2.0}  # the browser sees that it is news
    assert "Too large" in events.bring(event(refused="too large"))["html"]
