"""The routes that a server has, those of what is mounted in it too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Route:
    """What can be asked of the server.

    Attributes:
        path: with the names of what is put into it in braces.
        methods: that it takes.
        asked: names of its query parameters.
    """

    path: str
    methods: tuple[str, ...]
    asked: tuple[str, ...]


def routes_of(server: Any, before: str = "") -> Iterator[Route]:
    """Every route of a FastAPI application or router."""
    for each in server.routes:
        if getattr(each, "methods", None):
            known = getattr(each, "dependant", None)
            asked = () if known is None else tuple(field.alias for field in known.query_params)
            yield Route(before + each.path, tuple(sorted(each.methods)), asked)
        elif (inside := _inside(each)) is not None:
            yield from routes_of(inside, before + getattr(each, "path", ""))


def _inside(mounted: Any) -> Any:
    """The application or router behind a route that stands for many."""
    found = getattr(mounted, "original_router", None) or getattr(mounted, "app", None)
    while found is not None and not hasattr(found, "routes"):  # behind middleware
        found = getattr(found, "app", None)
    return found
