"""A picture that was sent: shown, with the settings that it brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.events.callers import sent_with
from app.events.context import READY, PageContext, sentence
from app.events.listeners import AT_ONCE
from app.panels.updates import Updates
from app.runs.boxes import boxes_of_settings
from app.runs.run import Picture
from app.runtime.sessions import Session, Upload
from app.views import status


@dataclass(frozen=True)
class UploadEvents:
    """The handler of whatever takes files."""

    page: PageContext

    def receive(self, event: gr.EventData, caption: str | None, request: gr.Request) -> Updates:
        """A file was sent by the browser and has been read, or was refused."""
        session, refused = self.page.session(request), sent_with(event).get("refused")
        upload = self.page.uploads.take(sent_with(event).get("token"))
        if refused is not None or upload is None:
            words = refused if isinstance(refused, str) else "the picture did not arrive: send it again"
            return self.page.refused(session, sentence(words[:300]))
        arriving = session.arriving = sent_with(event).get("token")
        try:
            self.page.loader.wait()
            if session.arriving != arriving:  # another was sent meanwhile
                return self.page.unchanged()
            return self._shown(upload, session, caption or "")
        except Exception as problem:  # the page's edge: told in words
            return self.page.refused(session, self.page.words_of(problem))

    def _shown(self, upload: Upload, session: Session, caption: str) -> Updates:
        session.begin()
        made = {key: value for key, value in upload.settings.items() if key != "boxes"}
        image = self.page.workspace.prepared(upload.image)
        session.show(Picture(image, "", made, upload.image.size), boxes_of_settings(upload.settings))
        return {
            **self.page.new_picture(session, status.idle(self._welcome(made, caption))),
            **self.page.source.restored(made),
        }

    def _welcome(self, made: Mapping[str, Any], caption: str) -> str:
        """What to do with a picture that has just come in."""
        if made.get("model") not in (None, self.page.workspace.fingerprints.get("model")):
            return (
                "Settings restored, but this picture was made by another model: read the answer with care."
            )
        if made:
            return f"Settings restored from the picture. {READY}"
        return READY if caption.strip() else "Now write its caption."


def connect_uploads(page: PageContext) -> None:
    """Wire what takes files: the drop zone, and the stage."""
    source, events = page.source, UploadEvents(page)
    outputs = [*page.outputs(), source.caption, *source.form.settings()]
    for sender in (source.drop, page.stage.view):
        # "multiple": one may come while another waits for the model to be there.
        sender.upload(events.receive, source.caption, outputs, trigger_mode="multiple", **AT_ONCE)
