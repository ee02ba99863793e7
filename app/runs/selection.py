"""Which rankings stand side by side: several methods on one part, or one method on several parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.runs.run import Part, Run
from attribution.methods.base import Method, method
from attribution.results import Ranking

METHODS, PARTS = "methods", "parts"  # what stands side by side


@dataclass(frozen=True)
class Shown:
    """How a run is shown.

    Attributes:
        beside: "methods" (of one part) or "parts" (under one method).
        part: number of the part whose methods are shown.
        method: the method under which parts are shown; "" for the run's first.
        earlier: ids of earlier runs whose parts are shown as well.
    """

    beside: str = METHODS
    part: int = 0
    method: str = ""
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True)
class Strip:
    """One row of the board: a ranking under a name, or the place where it will be."""

    key: str  # of this strip among those shown with it
    title: str
    method: Method
    ranking: Ranking | None
    part: Part


def strips(run: Run, view: Shown, earlier: Mapping[str, Run] | None = None) -> list[Strip]:
    """What stands side by side, in order. `earlier`: the runs of `view.earlier` that could be read."""
    if view.beside == METHODS:
        part = run.parts[min(view.part, len(run.parts) - 1)]
        return [_of(name, method(name).title, method(name), part) for name in run.methods]
    shown = method(view.method if view.method in run.methods else run.methods[0])
    rows = [_of(part.label, part.title, shown, part) for part in run.parts]
    for other in (earlier or {}).values():
        for part in other.parts:
            if shown.name in part.rankings:
                title = f"Earlier: {other.caption}" + (f", part {part.label}" if part.query.box else "")
                rows.append(_of(f"{other.id}-{part.label}", title, shown, part))
    return rows


def _of(key: str, title: str, shown: Method, part: Part) -> Strip:
    return Strip(key, title, shown, part.rankings.get(shown.name), part)
