"""Rankings made by hand, and the strips that show them: for tests of views and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from app.runs.run import Part, Picture, Run
from app.runs.selection import Strip
from attribution.methods.base import Cost, Family, Method
from attribution.query import Box, Query, Settings
from attribution.results import Entry, Ranking
from tests.worlds.answers import solid
from tests.worlds.rankings import ranking_of

WHITE = solid("white")
PART = Part("A", Query(WHITE, "a dog"))


def named(name: str, title: str = "") -> Method:
    """A method that is nothing but its name."""
    found: Any = SimpleNamespace(
        name=name,
        title=title or name.upper(),
        description="what it is",
        cost=Cost.LOOKUP,
        family=Family.LIKENESS,
    )
    return found  # type: ignore[no-any-return]


def ranking(
    order: Sequence[int], name: str = "clip", stderr: float | None = None, z: bool = False,
    caption: str = "a dog", scale: float = 1.0,
) -> Ranking:  # fmt: skip
    """The training images of some rows in that order; the score of rank n is `scale` / n."""
    entries = tuple(
        Entry(
            rank, f"train-{row:05}", row, f"{row}.png", caption, scale / rank, stderr,
            9.0 / rank if z else None,
        )
        for rank, row in enumerate(order, 1)
    )  # fmt: skip
    how = f"all {len(entries)} training images"
    judged = {"z_threshold": 4.0, "by_chance": [1 / 40] * 40} if z else {}
    return ranking_of(entries, name, seconds=0.5, candidates=how, details=judged)


def strip(order: Sequence[int], key: str = "a", title: str = "", **more: Any) -> Strip:
    """One strip of part A."""
    name = more.pop("name", "clip")
    return Strip(key, title or key, named(name), ranking(order, name, **more), PART)


def strips_of(
    rankings: Mapping[str, Ranking], names: Sequence[str] = "ab", part: Part = PART
) -> list[Strip]:
    """A strip a name; blank where there is no ranking."""
    return [Strip(name, name.upper(), named(name), rankings.get(name), part) for name in names]


def part(label: str, **rankings: Sequence[int]) -> Part:
    """A part with the orders that some methods gave."""
    query = Query(WHITE, "a dog", Box(0, 0, 0.5, 1))
    return Part(label, query, {name: ranking(order, name) for name, order in rankings.items()})


def run(*parts: Part) -> Run:
    """A run that asked two methods about some parts."""
    return Run(Picture(WHITE, "a dog"), "a dog", ("clip", "dino"), Settings(), parts)
