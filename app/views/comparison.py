"""How far rankings agree, pair by pair, in a table."""

from __future__ import annotations

import html
from collections.abc import Sequence
from itertools import combinations

from app.runs.selection import Strip, answered
from attribution.analysis.agreement import TOP, overlap, rank_agreement
from attribution.results import Ranking

NOTHING = "Ask with two methods, or about two parts, to see them against each other."


def overlap_table(shown: Sequence[Strip]) -> str:
    """Of every pair, how many of the first ranks they share, and how their orders agree."""
    found = answered(shown)
    if len(found) < 2:
        return f'<p class="nothing">{NOTHING}</p>'
    rows = "".join(_pair(*one, *other) for one, other in combinations(found, 2))
    return (
        f'<table class="overlap"><caption>How far they agree</caption><thead><tr><th scope="col">Pair</th>'
        f'<th scope="col">Shared of the first {TOP}</th>'
        '<th scope="col" title="Spearman\'s correlation over the images that both have ranked">'
        f"Order</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def _pair(one: Strip, ranking: Ranking, other: Strip, another: Ranking) -> str:
    shared, agreement = overlap(ranking, another), rank_agreement(ranking, another)
    both = {e.id for e in ranking.entries} & {e.id for e in another.entries}
    title = f"{html.escape(one.title)} <span>and</span> {html.escape(other.title)}"
    order = "too few in common" if agreement is None else f"{agreement:+.2f}".replace("-", "\N{MINUS SIGN}")
    return (
        f'<tr><th scope="row">{title}</th><td><span class="share"><span class="share-fill" '
        f'style="width:{100 * shared / TOP:.0f}%"></span></span>{shared}</td>'
        f"<td>{order} <small>over {len(both):,}</small></td></tr>"
    )
