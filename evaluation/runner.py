"""Ask a protocol's queries one after another; each answer is on disk before the next is begun."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from attribution.data.images import read_image, write_png
from attribution.engine import attribute
from attribution.models.base import Generation
from attribution.query import Query
from attribution.results import Attribution, Progress, Ranking
from attribution.workspace.workspace import Workspace
from evaluation.protocols import Pictures, Protocol, Report, Task
from evaluation.run_folder import RunFolder


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
            path = self.folder.folder / f"{name}.png"
            if not path.exists():
                self._generate(path, prompt, seed)
            return Query(read_image(path)[0], prompt)

        return picture

    def _generate(self, path: Path, prompt: str, seed: int) -> None:
        model = self.workspace.model
        generation = Generation(prompt, seed, self.options["steps"], self.options["guidance"])
        *_, last = model.generate(generation)
        assert last.image is not None
        part = path.with_suffix(".part")
        write_png(last.image, part, {**asdict(generation), "model": model.fingerprint})
        part.replace(path)

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
                else:
                    assert isinstance(event, Ranking)
            yield Step(done + 1, len(tasks), task.key, "answered", time.perf_counter() - began)

    def report(self) -> Report:
        """The protocol's report, with where its figures come from."""
        answers = [self.folder.answer(task.key) for task in self.tasks]
        report = self.protocol.report(self.workspace, self.options, answers)
        figures = {**report.figures, "run": self.folder.run, "settings": _settings(answers)}
        return Report(figures, f"{report.markdown}\n{provenance(self.folder.run)}")

    def write_report(self) -> Report:
        """`report.json` and `report.md` beside the answers."""
        report = self.report()
        text = json.dumps(report.figures, indent=2, ensure_ascii=False) + "\n"
        (self.folder.folder / "report.json").write_text(text, encoding="utf-8")
        (self.folder.folder / "report.md").write_text(report.markdown, encoding="utf-8")
        return report


def _settings(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """The settings common to all queries (each one's own candidates are in its answer)."""
    settings = dict(answers[0]["settings"])
    return {k: v for k, v in settings.items() if all(a["settings"].get(k) == v for a in answers)}


def provenance(run: Mapping[str, Any]) -> str:
    """Settings and fingerprints in small print."""
    told = ", ".join(f"{key} `{value}`" for key, value in run.items() if key not in ("protocol", "methods"))
    return f"<sub>{told}.</sub>\n"
