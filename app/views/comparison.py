"""How far rankings agree, pair by pair, in a table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from app.frontend.templates import render
from app.runs.selection import Strip, answered
from attribution.analysis.agreement import TOP, chance_overlap, overlap, rank_agreement, ranks_all
from attribution.results import Ranking


def overlap_table(shown: Sequence[Strip]) -> str:
    """Of every pair, how many of the first ranks they share, and how their orders agree."""
    pairs = [_pair(*one, *other) for one, other in combinations(answered(shown), 2)]
    return render("comparison.html", pairs=pairs, top=TOP)


def _pair(one: Strip, ranking: Ranking, other: Strip, another: Ranking) -> dict[str, str]:
    shared, agreement = overlap(ranking, another), rank_agreement(ranking, another)
    few = [strip.title for strip, each in ((one, ranking), (other, another)) if not ranks_all(each)]
    return {
        "one": one.title,
        "other": other.title,
        "percent": f"{100 * shared / TOP:.0f}",
        "shared": str(shared),
        "chance": f"{chance_overlap(ranking, another):.1f}",
        "order": "" if agreement is None else f"{agreement:+.2f}".replace("-", "\N{MINUS SIGN}"),
        "over": f"over all {len(ranking):,}" if agreement is not None else _unknown(few),
    }


def _unknown(few: Sequence[str]) -> str:
    """Why no correlation is given."""
    return f"not known: {' and '.join(few)} ranked a picked few" if few else "not known: too few images"
