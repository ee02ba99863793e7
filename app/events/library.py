"""Looking into the library: words, filters, likeness, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.events.callers import sent_with
from app.events.context import PageContext, sentence
from app.events.listeners import AT_ONCE
from app.runs.library import BROUGHT, PAGE, WORDS, LibraryQuestion, library_question, text_space
from app.runtime.reports import REPORTS, went_wrong
from app.runtime.sessions import Session
from app.views.library import LikeWhat, columns_view, shelf_view
from app.views.pictures import data_uri
from attribution.analysis.library import (
    Order,
    Search,
    catalogue_of,
    like_picture,
    like_row,
    like_text,
    page_of,
    spaces,
    text_spaces,
)
from attribution.errors import SettingsError, WhenceError
from attribution.methods.base import methods
from attribution.methods.likeness import Likeness
from attribution.workspace.workspace import Workspace

SMALL = 96  # pixels of the picture that was brought


@dataclass(frozen=True)
class LibraryEvents:
    """The handlers of the shelf."""

    page: PageContext

    def look(self, event: gr.EventData, request: gr.Request) -> dict[str, Any]:
        """One page of what is asked for, for the browser's own question `at` that time."""
        session, at = self.page.session(request), sent_with(event).get("at")
        try:
            question = library_question(sent_with(event).get("question") or {})
            return {"at": at, "does": "shelf", **self._shown(session, question)}
        except WhenceError as problem:
            return {"at": at, "does": "problem", "words": sentence(str(problem))}
        except Exception as problem:  # the page's edge: told in words
            return {"at": at, "does": "problem", "words": went_wrong(REPORTS.mistake(problem))}

    def bring(self, event: gr.EventData, request: gr.Request) -> dict[str, Any]:
        """A picture was sent, which images are to be like."""
        refused, upload = (
            sent_with(event).get("refused"),
            self.page.uploads.take(sent_with(event).get("token")),
        )
        if refused is not None or upload is None:
            words = refused if isinstance(refused, str) else "the picture did not arrive: send it again"
            return {"at": sent_with(event).get("at"), "does": "problem", "words": sentence(words[:300])}
        self.page.session(request).brought = upload.image
        return {"at": sent_with(event).get("at"), "does": "brought"}

    def _shown(self, session: Session, question: LibraryQuestion) -> dict[str, Any]:
        workspace = self.page.workspace
        order, like = self.page.worker.do(order_of, workspace, session, question)
        search = Search(question.words, question.asked_filters, order)
        found = page_of(workspace, search, (question.page - 1) * PAGE, PAGE)
        return {
            "html": shelf_view(found, workspace.training_set, question, like),
            "columns": columns_view(catalogue_of(workspace), found, question),
        }


def connect_library(page: PageContext) -> None:
    """Wire the shelf."""
    view, events = page.library.view, LibraryEvents(page)
    view.look(events.look, None, view, trigger_mode="multiple", **AT_ONCE)
    view.bring(events.bring, None, view, trigger_mode="multiple", **AT_ONCE)


def order_of(
    workspace: Workspace, session: Session, question: LibraryQuestion
) -> tuple[Order | None, LikeWhat | None]:
    """In which order the images come, and what that is by; none for the training set's own.

    Raises:
        SettingsError: it is by something that there is not.
    """
    if question.by != WORDS and question.text.strip():
        encoder, captions = _text_space(workspace, question.by)
        order = like_text(workspace, encoder, captions, question.text)
        return order, LikeWhat("", f"“{question.text}”", "", ())
    if not question.like:
        return None, None
    titles = picture_spaces(workspace)
    space = question.space or next(iter(titles), "")
    if space not in titles:
        raise SettingsError(
            f"pictures cannot be compared by {space!r} here: choose from {', '.join(titles)}"
        )
    if question.like == BROUGHT:
        if session.brought is None:
            raise SettingsError("the picture that you brought is gone with the page: bring it again")
        order = like_picture(workspace, space, session.brought)
        shown = data_uri(workspace.prepared(session.brought), SMALL)
        return order, LikeWhat(shown, "your picture", space, tuple(titles.items()))
    row = workspace.training_set.row_of(question.like)
    caption = workspace.training_set.captions[row]
    return like_row(workspace, space, row), LikeWhat(f"thumbs/{row}", caption, space, tuple(titles.items()))


def picture_spaces(workspace: Workspace) -> dict[str, str]:
    """The title of each embedding of pictures that the workspace has, by its encoder."""
    there = spaces(workspace)
    known = [each for each in methods().values() if isinstance(each, Likeness) and not each.captions]
    return {each.encoder: each.title for each in known if each.encoder in there}


def text_space_titles(workspace: Workspace) -> list[tuple[str, str]]:
    """(name, title) of what a text can be compared with."""
    return [
        (
            text_space(encoder, captions),
            f"{'Captions that say' if captions else 'Pictures of'} it ({encoder.upper()})",
        )
        for encoder, captions in text_spaces(workspace)
    ]


def _text_space(workspace: Workspace, name: str) -> tuple[str, bool]:
    known = {text_space(*each): each for each in text_spaces(workspace)}
    if name not in known:
        raise SettingsError(f"texts cannot be compared by {name!r} here: look for words")
    return known[name]
