"""One file a study, registered by being there: each binds `STUDIES`.

A protocol asks queries and reports on the answers; a study measures something inside the methods
(how many draws a gradient needs, what a sketch loses, how far two runs agree).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from attribution.engine import attribute
from attribution.models.base import Generation
from attribution.plugins import plugins
from attribution.query import Query, Settings
from attribution.results import Progress, Ranking
from attribution.workspace.workspace import Workspace
from evaluation.pictures import generated_query
from evaluation.prompts import Grammar, two_object_prompts
from evaluation.reports import Report

STEPS, GUIDANCE = 30, 2.0  # of generated pictures


@runtime_checkable
class Study(Protocol):
    """What a file in `evaluation/studies/` provides."""

    name: str
    description: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare this study's own flags; their values become `options`."""
        ...

    def run(
        self, workspace: Workspace, options: Mapping[str, Any], kept: Kept
    ) -> Generator[str, None, Report]:
        """Yield what is being done; returns the report. What is in `kept` is not measured again."""
        ...


@dataclass(frozen=True)
class Kept:
    """Arrays and pictures of a run, on disk, so that it can be stopped and gone on with."""

    folder: Path

    def array(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The array of that name, made now if it is not there."""
        path = self.folder / f"{name}.npy"
        if path.exists():
            stored: np.ndarray = np.load(path)
            return stored
        self.folder.mkdir(parents=True, exist_ok=True)
        made = make()
        part = path.with_suffix(".part")
        with part.open("wb") as handle:
            np.save(handle, made)
        part.replace(path)
        return made

    def answer(
        self, name: str, workspace: Workspace, query: Query, method: str, settings: Settings
    ) -> Generator[str, None, Float64[ndarray, " 1+images"]]:
        """Yield what is being done; returns the answer of that name, asked now if it is not there.

        It is the seconds, and the score of every training image: NaN where it was not measured.
        """
        path = self.folder / f"{name}.npy"
        if not path.exists():
            last = None
            for event in attribute(workspace, query, [method], settings):
                if isinstance(event, Progress):
                    yield f"{name}: {event.stage} {event.done}/{event.total}"
                elif isinstance(event, Ranking):
                    last = event
            assert last is not None
            scores = np.full(len(workspace.training_set), np.nan)
            scores[last.rows] = last.scores
            self.array(name, partial(np.concatenate, [[last.seconds], scores]))
        stored: np.ndarray = np.load(path)
        return stored

    def pictures(self, workspace: Workspace, count: int, seed: int) -> list[Query]:
        """Generated pictures of two-object prompts; picture i is generated with seed i."""
        prompts = two_object_prompts(Grammar.of(workspace.training_set.examples), count, seed)
        return [
            generated_query(
                workspace,
                Generation(prompt.text, number, STEPS, GUIDANCE),
                self.folder / f"picture-{number:03d}.png",
            )
            for number, prompt in enumerate(prompts)
        ]


def studies() -> dict[str, Study]:
    """All studies by name."""
    found = plugins("evaluation.studies", "STUDIES")
    return {study.name: study for study in found}
