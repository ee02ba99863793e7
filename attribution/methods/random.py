"""Random: what any honest method must beat, and the worked example of a method.

A method is one file in this folder that binds `METHODS`; the page and the command line find it there.
It says what it needs, and yields progress and at last the scores of the rows it was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from attribution.gradients.query_context import QueryContext
from attribution.methods.base import Cost, Family
from attribution.query import NO_OPTIONS, Candidates, MethodOptions
from attribution.results import Progress, Scores
from attribution.rng import generator
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.workspace import Workspace


@dataclass(frozen=True)
class Random:
    """A number in [0, 1) for each training image, a pure function of the seed and its id."""

    name: str = "random"
    title: str = "Random"
    description: str = "A random number for each training image: the level that any method must beat."
    family: Family = Family.LIKENESS
    cost: Cost = Cost.LOOKUP
    shortlists: bool = False
    options: MethodOptions = NO_OPTIONS

    def needs(self, workspace: Workspace) -> tuple[ArtifactKind[object], ...]:
        return ()

    def score(self, context: QueryContext, candidates: Candidates) -> Iterator[Progress | Scores]:
        ids, seed = context.workspace.training_set.ids, context.settings.seed
        values = [generator(seed, self.name, ids[row]).random() for row in candidates.rows]
        yield Scores(candidates.rows, np.asarray(values))


METHODS = (Random(),)
