"""Random: what any honest method must beat, and the worked example of a method.

A method is one file in this folder that binds `METHOD`; the page and the command line find it there.
It says what it needs, and yields progress and at last the scores of the rows it was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from attribution.query import Candidates, Query, Settings
from attribution.results import Progress, Scores
from attribution.rng import generator
from attribution.workspace.workspace import Workspace


@dataclass(frozen=True)
class Random:
    """A number in [0, 1) for each training image, a pure function of the seed and its id."""

    name: str = "random"
    title: str = "Random"
    description: str = "A random number for each training image: the level that any method must beat."
    slow: bool = False

    def needs(self, workspace: Workspace) -> tuple[str, ...]:
        return ()

    def score(
        self, workspace: Workspace, query: Query, settings: Settings, candidates: Candidates
    ) -> Iterator[Progress | Scores]:
        ids = workspace.training_set.ids
        values = [generator(settings.seed, self.name, ids[row]).random() for row in candidates.rows]
        yield Scores(candidates.rows, np.asarray(values))


METHOD = Random()
