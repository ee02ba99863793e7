"""Whence: which training images a text-to-image diffusion model's picture came from.

    from attribution import Query, Settings, Workspace, attribute

    workspace = Workspace.open("assets/demo/workspace")
    query = Query(image, "a cat on a table", Box(0.5, 0.3, 1, 0.9))
    for event in attribute(workspace, query, ["divergence", "clip"], Settings(seed=7)):
        ...  # Progress, then a Ranking as soon as one stands, last the whole Attribution

Importing this loads nothing; a name is imported when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attribution.engine import attribute as attribute
    from attribution.errors import WhenceError as WhenceError
    from attribution.methods.base import methods as methods
    from attribution.query import Box as Box
    from attribution.query import Query as Query
    from attribution.query import Settings as Settings
    from attribution.results import Attribution as Attribution
    from attribution.results import Entry as Entry
    from attribution.results import Progress as Progress
    from attribution.results import Ranking as Ranking
    from attribution.serialization import from_json as from_json
    from attribution.serialization import to_csv as to_csv
    from attribution.serialization import to_json as to_json
    from attribution.workspace.workspace import Workspace as Workspace

_HOME = {
    "attribute": "attribution.engine",
    "Attribution": "attribution.results",
    "Box": "attribution.query",
    "Entry": "attribution.results",
    "Progress": "attribution.results",
    "Query": "attribution.query",
    "Ranking": "attribution.results",
    "Settings": "attribution.query",
    "WhenceError": "attribution.errors",
    "Workspace": "attribution.workspace.workspace",
    "from_json": "attribution.serialization",
    "methods": "attribution.methods.base",
    "to_csv": "attribution.serialization",
    "to_json": "attribution.serialization",
}
__all__ = [  # noqa: PLE0604  as the table above has them
    *_HOME
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
