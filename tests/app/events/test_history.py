"""Laws of forgetting runs that are kept, without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.events.attribute import AttributeEvents
from app.events.context import PageContext
from app.events.history import HistoryEvents
from app.runs.archive import RunArchive
from app.runtime.sessions import Session
from tests.worlds.gradio_event import event


def test_a_run_that_cannot_be_deleted_keeps_its_key_and_the_others_go(
    page: PageContext, session: Session, request_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: The browser gives up a run's key only once the run is gone; one that stays holds none back."""
    attribute = AttributeEvents(page)
    for _ in range(2):
        attribute.begin(["pixel"], "instant", "", None, None, None, None, request_of)
        list(attribute.run(request_of))
    pairs = [{"id": run, "key": key} for run, key in session.kept.items()]
    first, second = session.kept
    remove = RunArchive._remove

    def refuses(archive: RunArchive, folder: Path) -> None:
        if folder.name == first:
            raise PermissionError(13, "Permission denied")
        remove(archive, folder)

    monkeypatch.setattr(RunArchive, "_remove", refuses)
    updates = HistoryEvents(page).forget(event(runs=pairs, ids=[first, second]), request_of)
    message = updates[page.answer.history]
    assert message["forgotten"] == {"gone": [second], "stayed": [first]}
    assert list(session.kept) == [first]
    assert "could not be deleted" in message["html"]
    assert "could not be deleted" in updates[page.action.status]
    assert (first in message["html"], second in message["html"]) == (True, False)
