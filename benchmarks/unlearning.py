"""The weights under which benchmarks measure losses."""

from __future__ import annotations

from attribution.methods.abu import METHOD
from attribution.models.base import Weights
from attribution.query import Query, Settings
from attribution.workspace.workspace import Workspace

SETTINGS = Settings(seed=1)


def unlearned_weights(workspace: Workspace, query: Query) -> Weights:
    """The weights after a picture is unlearned as `abu` does it, under `SETTINGS`."""
    steps = METHOD.unlearn(workspace, query, SETTINGS)
    while True:
        try:
            next(steps)
        except StopIteration as stopped:
            weights: Weights = stopped.value.weights
            return weights
