"""A method, a model reader or an encoder is registered by being there.

Each is one module of `attribution.methods`, `attribution.models` or `attribution.encoders.base` that
binds the name of its kind (`METHOD`, `MODEL`, `ENCODER`). Importing registers; it never loads
weights, opens files or reaches the network.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from attribution.errors import UnknownNameError
from attribution.query import Candidates, Query, Settings
from attribution.results import Progress, Scores

if TYPE_CHECKING:
    from attribution.analysis.loss_map import Forgotten
    from attribution.workspace.workspace import Workspace


@runtime_checkable
class Method(Protocol):
    """What a file in `attribution/methods/` provides. `random.py` is the worked example."""

    name: str  # on the command line
    title: str  # on the page
    description: str  # one sentence: what the score is
    slow: bool  # scores each candidate by itself, so by default only a shortlist is ranked

    def needs(self, workspace: Workspace) -> tuple[str, ...]:
        """Names of the artifacts that must have been precomputed."""
        ...

    def score(
        self, workspace: Workspace, query: Query, settings: Settings, candidates: Candidates
    ) -> Iterator[Progress | Scores]:
        """Yield progress between steps, and last the scores of `candidates.rows`."""
        ...


@runtime_checkable
class Locating(Protocol):
    """A method that can say how a training image was forgotten: where in it, and at which timesteps."""

    def how_forgotten(
        self, workspace: Workspace, query: Query, settings: Settings, row: int
    ) -> Forgotten | None:
        """Its loss before and after; None unless the query was asked a short while ago."""
        ...


@cache
def methods() -> dict[str, Method]:
    """All methods by name, in the order in which the page shows them."""
    package = importlib.import_module("attribution.methods")
    found = [
        found_module.METHOD
        for module in pkgutil.iter_modules(package.__path__)
        if hasattr(found_module := importlib.import_module(f"attribution.methods.{module.name}"), "METHOD")
    ]
    return {method.name: method for method in sorted(found, key=lambda m: (not m.slow, m.name))}


def method(name: str) -> Method:
    """The method called `name`.

    Raises:
        UnknownNameError: there is none; the known ones are named.
    """
    known = methods()
    if name not in known:
        raise UnknownNameError(f"there is no method {name!r}: choose from {', '.join(known)}")
    return known[name]
