"""A picture that is traced unasked: its parts, and the training images of each. Plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from attribution.analysis.picture_parts import PicturePart, clarity_of
from attribution.methods.base import Method, method
from attribution.methods.base import usual_methods as usual
from attribution.results import Entry, Ranking

TRACED_BY = ("d-trak",)  # the cheapest that knows what stands out, or what answers in its place
FIRST = 6  # training images that are shown of a part
LIT = 100  # training images of a part that light it up, at most


@dataclass(frozen=True)
class TracedPart:
    """One part, and what was found of it as far as it is there.

    Attributes:
        method: the title of the method that was asked; "" until it has answered.
        first: its first training images.
        ranks: the ranks of those images that light the part up: the first of those that stand out.
        standing_out: how many do; None where that is not known.
        clarity: as `clarity_of` gives it.
    """

    part: PicturePart
    method: str = ""
    first: tuple[Entry, ...] = ()
    ranks: Mapping[str, int] = field(default_factory=dict)
    standing_out: int | None = None
    clarity: float = 0.0

    def answered(self, ranking: Ranking) -> TracedPart:
        """The part with what a method has found of it."""
        out = ranking.standing_out
        seen = [ranking.entry(place) for place in range(min(LIT, len(ranking)))]
        lit = [entry for entry in seen if out is None or bool(out[entry.rank - 1])]
        return replace(
            self,
            method=method(ranking.method).title,
            first=tuple(seen[:FIRST]),
            ranks={entry.id: entry.rank for entry in (lit[:FIRST] if out is None else lit)},
            standing_out=None if out is None else int(out.sum()),
            clarity=clarity_of(ranking),
        )


def tracing_method(offers: Sequence[Method]) -> str | None:
    """The method that traces what nobody asked about; None where none of its kind can be asked."""
    return next(iter(usual(TRACED_BY, [each.name for each in offers])), None)
