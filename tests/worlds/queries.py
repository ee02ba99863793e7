"""Questions about training pictures, whose answers are known best."""

from __future__ import annotations

from attribution.query import Box, Query
from attribution.workspace.workspace import Workspace


def query_of(workspace: Workspace, row: int = 5, box: Box | None = None) -> Query:
    """A training picture with its caption, as if somebody had brought it."""
    return Query(workspace.training_set.image(row), workspace.training_set.captions[row], box)
