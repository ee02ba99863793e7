"""The weights under which benchmarks measure losses."""

from __future__ import annotations

from attribution.gradients.query_context import QueryContext
from attribution.methods.abu import AbU
from attribution.models.base import Weights
from attribution.query import Query, Settings
from attribution.workspace.workspace import Workspace

SETTINGS = Settings(seed=1)


def unlearned_weights(workspace: Workspace, query: Query) -> Weights:
    """The weights after a picture is unlearned as `abu` does it, under `SETTINGS`."""
    steps = AbU().unlearn(QueryContext(workspace, query, SETTINGS))
    while True:
        try:
            next(steps)
        except StopIteration as stopped:
            weights: Weights = stopped.value.weights
            return weights
