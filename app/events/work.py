"""Is my work in here? A picture is brought, looked for, and forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.events.callers import sent_with
from app.events.context import PageContext, sentence
from app.events.library import picture_spaces
from app.events.listeners import QUIET
from app.runtime.reports import REPORTS, went_wrong
from app.runtime.sessions import Upload
from app.views import status
from app.views.work import work_view
from attribution.analysis.work import check_work
from attribution.errors import MissingArtifactError, WhenceError


@dataclass(frozen=True)
class WorkEvents:
    """The handler of what is brought."""

    page: PageContext

    def bring(self, event: gr.EventData) -> dict[str, Any]:
        """What was found of the picture that was sent `at` that time."""
        return {"html": self._told(event), "at": sent_with(event).get("at")}

    def _told(self, event: gr.EventData) -> str:
        refused, upload = (
            sent_with(event).get("refused"),
            self.page.uploads.take(sent_with(event).get("token")),
        )
        if refused is not None or upload is None:
            words = refused if isinstance(refused, str) else "the picture did not arrive: send it again"
            return status.failed(sentence(words[:300]))
        try:
            return self._found(upload)
        except WhenceError as problem:
            return status.failed(sentence(str(problem)))
        except Exception as problem:  # the page's edge: told in words
            return status.failed(went_wrong(REPORTS.mistake(problem)))

    def _found(self, upload: Upload) -> str:
        workspace = self.page.workspace
        titles = picture_spaces(workspace)
        if not titles:
            raise MissingArtifactError(
                "there is nothing to find a picture by: run `python -m precompute embeddings`"
            )
        found = self.page.worker.do(check_work, workspace, upload.image, tuple(titles))
        return work_view(found, workspace.prepared(upload.image), workspace.training_set, titles)


def connect_work(page: PageContext) -> None:
    """Wire it."""
    work = page.library.work
    work.bring(WorkEvents(page).bring, None, work, trigger_mode="multiple", **QUIET)
