"""Run a protocol or a study to its report; what was done is on disk, so that a run can be gone on with.

A protocol's queries are asked one after another; each answer is kept before the next is begun.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attribution.engine import attribute
from attribution.models.base import Generation
from attribution.query import Query
from attribution.results import Attribution, Progress, Ranking
from attribution.workspace.workspace import Workspace
from evaluation.pictures import generated_query
from evaluation.protocols import Pictures, Protocol, Task
from evaluation.reports import Report
from evaluation.run_folder import RunFolder
from evaluation.studies import Kept, Study


def run_protocol(
    protocol: Protocol, workspace: Workspace, options: Mapping[str, Any], folder: Path
) -> Generator[str, None, Report]:
    """Ask what has not been asked; yields a line for each query, returns the report that is written."""
    run = Run.begin(protocol, workspace, options, folder)
    for step in run.steps():
        if step.seconds:
            yield f"{step.done}/{step.total} {step.key} {step.note} in {step.seconds:.1f} s"
    report = run.report()
    report.write(folder)
    return report


def run_study(
    study: Study, workspace: Workspace, options: Mapping[str, Any], folder: Path
) -> Generator[str, None, Report]:
    """Measure what has not been measured; yields the study's lines, returns the report that is written."""
    plain = json.loads(json.dumps(options, default=lambda path: path.name))  # where it lies is private
    run = RunFolder(folder, {"study": study.name, **plain, **workspace.fingerprints}).run
    report = (yield from study.run(workspace, options, Kept(folder))).of_run(run)
    report.write(folder)
    return report


@dataclass(frozen=True)
class Step:
    """Where a run stands: `done` of `total` queries, and what the present one is doing."""

    done: int
    total: int
    key: str
    note: str
    seconds: float = 0.0  # of the query, when it is finished


@dataclass(frozen=True)
class Run:
    """One protocol on one workspace, in one folder."""

    protocol: Protocol
    workspace: Workspace
    options: Mapping[str, Any]
    folder: RunFolder

    @classmethod
    def begin(
        cls, protocol: Protocol, workspace: Workspace, options: Mapping[str, Any], folder: Path
    ) -> Run:
        """Open the folder, or go on with the run in it.

        Raises:
            MismatchError: it holds a run of other settings, model or data.
        """
        identity = {"protocol": protocol.name, **options, **workspace.fingerprints}
        return cls(protocol, workspace, options, RunFolder(folder, identity))

    @property
    def tasks(self) -> list[Task]:
        return list(self.protocol.tasks(self.workspace, self.options, self._pictures))

    @property
    def _pictures(self) -> Pictures:
        """A generated picture is kept as a PNG and always asked about as that file holds it."""

        def picture(name: str, prompt: str, seed: int) -> Query:
            generation = Generation(prompt, seed, self.options["steps"], self.options["guidance"])
            return generated_query(self.workspace, generation, self.folder.folder / f"{name}.png")

        return picture

    def steps(self) -> Iterator[Step]:
        """Ask what has not been asked; may be stopped anywhere and taken up again."""
        tasks = self.tasks
        for done, task in enumerate(tasks):
            methods = self.folder.missing(task.key, task.methods)
            if not methods:
                continue
            yield Step(done, len(tasks), task.key, "making the picture")
            began = time.perf_counter()
            query = task.query()
            for event in attribute(self.workspace, query, methods, task.settings):
                if isinstance(event, Progress):
                    note = f"{event.method}: {event.stage} {event.done}/{event.total}"
                    yield Step(done, len(tasks), task.key, note)
                elif isinstance(event, Attribution):
                    self.folder.record(task.key, event, task.facts)
                    event.check_whole()
                else:
                    assert isinstance(event, Ranking)
            yield Step(done + 1, len(tasks), task.key, "answered", time.perf_counter() - began)

    def report(self) -> Report:
        """The protocol's report, with where its figures come from."""
        answers = [self.folder.answer(task.key) for task in self.tasks]
        report = self.protocol.report(self.workspace, self.options, answers)
        return report.of_run(self.folder.run, settings=_settings(answers))


def _settings(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """The settings common to all queries (each one's own candidates are in its answer)."""
    settings = dict(answers[0]["settings"])
    return {k: v for k, v in settings.items() if all(a["settings"].get(k) == v for a in answers)}
