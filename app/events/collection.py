"""A collection: summed up over the questions that a browser has kept, and unlearned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import gradio as gr
import numpy as np

from app.events.callers import sent_with
from app.events.context import PageContext, sentence
from app.events.counterfactual import Steps, check_updates
from app.events.listeners import AT_ONCE, ON_THE_MODEL
from app.panels.updates import Updates
from app.runs.collection import Collection, leaning, write_collection_csv
from app.runs.library import MOST_PICKED, library_question
from app.runs.run import Part, Run
from app.runtime.sessions import Session
from app.views import status
from app.views.collection import collection_check_view, collection_view
from app.views.dossier import write_dossier
from app.views.history import LISTED
from attribution.analysis.counterfactual import CounterfactualSettings
from attribution.analysis.counterfactual_check import check_sets
from attribution.analysis.counterfactual_sets import NamedSet
from attribution.analysis.library import catalogue_of, matched_rows, random_rows
from attribution.errors import RunError, SettingsError, WhenceError
from attribution.workspace.workspace import Workspace

MOST_UNLEARNED = 50  # images; of a larger collection so many are drawn
SEED = 0


@dataclass(frozen=True)
class CollectionEvents:
    """The handlers of the collection."""

    page: PageContext

    def collect(self, event: gr.EventData, request: gr.Request) -> Updates:
        """Sum up what was chosen, or all that a look into the library finds."""
        session, data, panel = self.page.session(request), sent_with(event), self.page.library.collection
        session.leaning = None
        if session.unlearning is not None:  # a test of the collection before
            session.unlearning.set()
            session.unlearning = None
        try:
            collection = collection_of(self.page.workspace, data.get("question"), data.get("picked"))
            runs, told = self._kept(session, data.get("ids"))
            found = session.leaning = leaning(collection, runs, told)
            dossier = str(write_dossier(found, self.page.workspace))
            csv = str(write_collection_csv(found))
            return panel.whole(collection_view(found), dossier, csv, data.get("at"))
        except Exception as problem:  # the page's edge: told in words
            return panel.refused(self._failed(problem), data.get("at"))

    def unlearn(self, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        """Unlearn the collection, and make a kept picture again."""
        session, panel = self.page.session(request), self.page.library.collection
        try:
            run, part = self._asked(session, sent_with(event).get("run"), sent_with(event).get("part"))
            assert session.leaning is not None
            steps = self._steps(part, session.leaning.collection)
        except Exception as problem:  # the page's edge: told in words
            yield panel.at_rest(self._failed(problem))
            return
        found = session.leaning
        stop = session.unlearning = session.begin_beside()
        yield {**panel.at_work(status.running("Waiting for the model")), panel.result: ""}
        for check, updates in check_updates(self.page, session, run, panel, steps, stop):
            if session.unlearning is not stop:  # another was begun since, or another collection is shown
                continue
            updates.pop(self.page.action.status, None)  # of the other side of the page
            if check is not None:
                updates[panel.result] = view = collection_check_view(check, found.collection)
                if check.final:
                    proof = {"title": f"{run.caption}, {part.title.lower()}", "view": view}
                    dossier = str(write_dossier(found, self.page.workspace, proof))
                    updates[panel.dossier] = gr.update(value=dossier, interactive=True)
            yield updates

    def stop(self, request: gr.Request) -> Updates:
        """The test ends itself at its next step."""
        self.page.session(request).stop.set()
        return self.page.library.collection.stopping()

    def _asked(self, session: Session, run_id: object, label: object) -> tuple[Run, Part]:
        """Raises SettingsError, RunError: there is no collection, or no such picture."""
        if session.leaning is None:
            raise SettingsError("there is no collection to unlearn: choose its images first")
        run = self.page.archive.read(run_id)
        part = next((part for part in run.parts if part.label == label), None)
        if part is None:
            raise RunError(f"this run has no part {label!r}")
        return run, part

    def _steps(self, part: Part, collection: Collection) -> Steps:
        """Raises SettingsError: there are too few other images to compare with."""
        sets = sets_of(self.page.workspace, collection)
        settings = CounterfactualSettings(controls=len(sets) - 1)
        return partial(check_sets, self.page.workspace, part.query, sets, settings)

    def _kept(self, session: Session, named: object) -> tuple[list[Run], list[str]]:
        """The runs that the browser names, those of this page, and the examples; how many there are not."""
        names = [each for each in named if isinstance(each, str)] if isinstance(named, list) else []
        own = [*dict.fromkeys([*names, *session.kept])][:LISTED]
        runs, gone = [], 0
        for run_id in dict.fromkeys([*own, *(example.run_id for example in self.page.examples)]):
            try:
                runs.append(self.page.archive.read(run_id))
            except RunError:
                gone += run_id in own  # that the answer to an example was not kept is nobody's loss
        told = f"{gone} of your questions are not counted: they were deleted, or asked of another model."
        return runs, [told] if gone else []

    def _failed(self, problem: Exception) -> str:
        if isinstance(problem, WhenceError):
            return status.failed(sentence(str(problem)))
        return str(self.page.failed(problem)[self.page.action.status])


def connect_collection(page: PageContext) -> None:
    """Wire the collection."""
    panel, events = page.library.collection, CollectionEvents(page)
    panel.view.collect(events.collect, None, panel.outputs(), trigger_mode="multiple", **AT_ONCE)
    panel.view.unlearn(events.unlearn, None, panel.outputs(), **ON_THE_MODEL)
    panel.stop.click(events.stop, None, [panel.stop], **AT_ONCE)


def collection_of(workspace: Workspace, asked: object, picked: object) -> Collection:
    """What a look into the library finds; the images that were picked one by one if it finds everything.

    Raises:
        SettingsError: there is nothing in it.
        TrainingSetError: an image that was picked is none of the training set.
    """
    question = library_question(asked if isinstance(asked, dict) else {})
    training_set = workspace.training_set
    if question.narrows:
        chosen = catalogue_of(workspace).chosen(question.words, question.asked_filters)
        name = question.in_words()
    else:
        ids = [str(each) for each in picked][:MOST_PICKED] if isinstance(picked, list) else []
        chosen = np.zeros(len(training_set), bool)
        chosen[[training_set.row_of(each) for each in ids]] = True
        name = f"{int(chosen.sum()):,} chosen images"
    if not chosen.any():
        raise SettingsError(
            "there is no image in this collection: choose some, or filter, among all images"
        )
    return Collection(name, training_set, chosen)


def sets_of(workspace: Workspace, collection: Collection) -> list[NamedSet]:
    """What is unlearned: images of the collection; as its controls twice random others, and matched ones.

    Raises:
        SettingsError: there are too few other images.
    """
    rows = random_rows(collection.chosen, MOST_UNLEARNED, SEED, "collection").tolist()
    outside = ~collection.chosen
    matched = matched_rows(workspace, rows, outside, SEED)
    outside[list(matched)] = False
    others = random_rows(outside, 2 * len(rows), SEED, "collection controls")
    if len(others) < 2 * len(rows):
        raise SettingsError(
            f"{len(rows)} images of a collection need {3 * len(rows)} others beside it: choose fewer"
        )
    halves = others[0::2].tolist(), others[1::2].tolist()
    count = len(rows)
    return [
        (f"{count} of the collection", tuple(rows)),
        *((f"{count} random others", tuple(half)) for half in halves),
        (f"{count} with the same words", matched),
    ]
