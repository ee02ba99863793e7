"""Controls that nobody generates or unlearns: training images, and noise on the weights."""

from __future__ import annotations

from attribution.models.base import Weights
from attribution.query import Query
from attribution.rng import gaussian
from attribution.workspace.workspace import Workspace


def picture_of(workspace: Workspace, seed: int) -> tuple[int, Query]:
    """In place of `control_query`."""
    row = seed % len(workspace.training_set)
    return row, Query(workspace.training_set.image(row), workspace.training_set.captions[row])


def noisy(workspace: Workspace, query: Query, seed: int, batch_size: int) -> Weights:
    """In place of unlearning a control."""
    return {
        name: weight + 0.01 * gaussian(seed, "noisy", name, 0, weight.shape)
        for name, weight in workspace.model.weights.items()
    }
