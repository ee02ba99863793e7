"""Keeping runs, and showing them again: from the list of the browser, or by a link."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from app.events.callers import sent_with
from app.events.context import PageContext, sentence
from app.events.listeners import AT_ONCE, QUIET
from app.panels.history import history_message
from app.panels.updates import Updates
from app.runs.boxes import boxes_of_run
from app.runs.proofs import Proof, with_proof
from app.runs.run import Run
from app.runs.selection import METHODS, PARTS, Selection
from app.runtime.sessions import Session
from app.views import status
from app.views.history import LISTED, past_runs, when
from app.views.preview import title_of_run
from app.views.report import write_report
from attribution.errors import RunError

log = logging.getLogger("whence")


@dataclass(frozen=True)
class HistoryEvents:
    """The handlers of the list of earlier runs, and of a link to one."""

    page: PageContext

    def look(self, event: gr.EventData, request: gr.Request) -> Updates:
        """The list of the runs that the browser names, and of those that it has not been told of yet."""
        ids, session = sent_with(event).get("ids"), self.page.session(request)
        shown = self._listed(session, ids if isinstance(ids, list) else [])
        return {self.page.answer.history: history_message("list", session.kept, html=shown)}

    def _listed(self, session: Session, named: list[Any], problem: str = "") -> str:
        own = session.run.id if session.run is not None else ""
        fresh = [own] if own in session.kept and own not in named else []
        return past_runs(self.page.archive, [*fresh, *named], problem)

    def forget(self, event: gr.EventData, request: gr.Request) -> Updates:
        """Delete runs whose key the browser has, and list the others; what stays keeps its key."""
        session, sent = self.page.session(request), sent_with(event)
        gone, stayed, problem = [], [], ""
        for pair in sent["runs"][:LISTED] if isinstance(sent.get("runs"), list) else []:
            if not isinstance(pair, dict):
                continue
            run_id = str(pair.get("id"))
            try:
                self.page.archive.forget(run_id, pair.get("key"))
            except RunError as refused:
                stayed.append(run_id)
                problem = sentence(str(refused))
            else:
                gone.append(run_id)
                session.kept.pop(run_id, None)
        ids = sent["ids"] if isinstance(sent.get("ids"), list) else []
        shown = self._listed(session, [each for each in ids if each not in gone], problem)
        forgotten = {"gone": gone, "stayed": stayed}
        message = history_message("list", session.kept, html=shown, forgotten=forgotten)
        line = status.failed(problem) if problem else gr.skip()
        return {self.page.answer.history: message, self.page.action.status: line}

    def restore(self, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        """A kept run, with the fields as they were and its link as the address; of none, the page anew.

        The browser asks for one at a time, and is told with the answer what it asked for.
        """
        page, sent = self.page, sent_with(event)
        asked = {"id": sent.get("id"), "truth": sent.get("truth") is True}
        steps = self._started(request) if asked["id"] is None else self._restored(event, request)
        for updates in steps:
            said = updates.get(page.answer.history)
            yield updates if said is None else {**updates, page.answer.history: {**said, "restored": asked}}

    def _started(self, request: gr.Request) -> Iterator[Updates]:
        page, session = self.page, self.page.session(request)
        session.leave()
        yield {**page.nothing(session), page.answer.history: history_message("start", session.kept)}

    def _restored(self, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        for run, updates in self._read(event, self.page.session(request)):
            if run is not None:
                fields, truth = restored_fields(self.page, run), sent_with(event).get("truth") is True
                shown = history_message("shown", id=run.id, title=title_of_run(run), truth=truth)
                updates = {**self._shown(run, request, truth), **fields, self.page.answer.history: shown}
            yield updates

    def arrive(self, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        """The answer that the page opens on, unless the person has begun with something already.

        What is written in the fields is left alone, and the address stays the page's own.
        """
        session = self.page.session(request)
        for run, updates in self._read(event, session):
            if not session.is_fresh:
                yield self.page.unchanged()
                return
            if run is not None:
                arrived = {self.page.answer.history: history_message("arrived", id=run.id)}
                updates = {**self._shown(run, request), **arrived}
            yield updates

    def _read(self, event: gr.EventData, session: Session) -> Iterator[tuple[Run | None, Updates]]:
        """The run that is named, last; before it what there is to be told until it can be shown."""
        page = self.page
        try:
            run = page.archive.read(sent_with(event).get("id"))
            if page.workspace.config.latent_shape is None:  # the boxes lie on the model's cells
                for _ in page.loader.waiting():
                    yield None, {page.action.status: status.running("Opening the model")}
        except Exception as problem:  # the page's edge: told in words
            refused = page.refused(session, page.words_of(problem))
            yield None, {**refused, page.answer.history: history_message("lost")}
            return
        yield run, {}

    def _shown(self, run: Run, request: gr.Request, truth: bool = False) -> Updates:
        """Everything of a kept run as it was. `truth`: with the true answer marked."""
        page, session = self.page, self.page.session(request)
        _take_up(session, run)
        session.selection = replace(session.selection, truth=truth)
        line = f"As it was answered on {when(run.begun)}; nothing was computed again."
        return {
            **page.new_picture(session, status.done(line)),
            **page.answer.whole(page.workspace, run, session.selection, {}),
            **page.answer.counterfactual.proven(run),
            **report_update(page, run),
        }


def _take_up(session: Session, run: Run) -> None:
    """The run is the one on the page, and nothing else is under way."""
    session.begin()
    session.show(run.picture, boxes_of_run(run))
    session.run = run
    session.selection = Selection(beside=PARTS if len(run.parts) > 1 else METHODS)


def connect_history(page: PageContext) -> None:
    """Wire the list and the links."""
    history, events = page.answer.history, HistoryEvents(page)
    history.look(events.look, None, history, trigger_mode="multiple", **AT_ONCE)
    # None is dropped that comes while another is under way: what is not deleted would stay for ever.
    history.forget(events.forget, None, [history, page.action.status], trigger_mode="multiple", **AT_ONCE)
    outputs = [*page.outputs(), *restored_outputs(page)]
    # One that comes while another is under way is not dropped: that one's answer may have been lost.
    history.restore(events.restore, None, outputs, trigger_mode="multiple", **QUIET)
    page.arrival.arrive(events.arrive, None, page.outputs(), **QUIET)


def archive_answer(page: PageContext, session: Session, run: Run) -> Updates:
    """Keep an answered run; the address becomes its link, and the browser's list has one more."""
    try:
        session.kept[run.id] = page.archive.keep(run)
        message = history_message(
            "shown", session.kept, id=run.id, title=title_of_run(run), truth=session.selection.truth
        )
        return {**report_update(page, run, not session.stale), page.answer.history: message}
    except RunError as problem:  # the answer itself stands
        log.error("a run was not kept: %s", problem)
        line = status.failed(f"Answered, but {problem}. It has no link.")
        return {**report_update(page, run, not session.stale), page.action.status: line}


def archive_proof(page: PageContext, session: Session, run: Run, proof: Proof) -> Updates:
    """Keep a test with the run that it is of: its link and its report show it from now on."""
    run = replace(run, proofs=with_proof(run.proofs, proof))
    if session.run is not None and session.run.id == run.id:
        session.run = run = replace(session.run, proofs=with_proof(session.run.proofs, proof))
    if not run.answered:
        return {}  # it was stopped, and has no link
    try:
        page.archive.keep_proof(run.id, proof)
    except RunError as problem:  # the test itself stands
        log.error("a proof was not kept: %s", problem)
        line = status.failed(f"Done, but not kept with the answer: {problem}")
        return {page.answer.counterfactual.status: line}
    shown = session.run is run
    return report_update(page, run, not session.stale) if shown else {}


def report_update(page: PageContext, run: Run, current: bool = True) -> Updates:
    """The report, ready to be taken away; `current` as `DownloadsPanel.whole` takes it."""
    report = str(write_report(run, page.workspace))
    return {page.answer.downloads.report: gr.update(value=report, interactive=current)}


def restored_outputs(page: PageContext) -> list[Any]:
    """Every component that `restored_fields` speaks of."""
    return [page.source.caption, *page.source.form.settings(), page.ask.methods, page.ask.effort]


def restored_fields(page: PageContext, run: Run) -> Updates:
    """The fields as they were when the run was asked."""
    return {
        **page.source.restored(run.picture.made),
        page.source.caption: run.caption,
        page.ask.methods: list(run.methods),
        page.ask.effort: run.settings.effort,
    }
