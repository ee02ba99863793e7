"""How far two rankings agree: the first images they share, and the order of those that both have ranked."""

from __future__ import annotations

import numpy as np

from attribution.results import Ranking

TOP = 20  # ranks whose overlap is counted


def overlap(one: Ranking, other: Ranking, top: int = TOP) -> int:
    """How many of one ranking's first images are among the other's first."""
    first = {entry.id for entry in one.entries[:top]}
    return len(first & {entry.id for entry in other.entries[:top]})


def rank_agreement(one: Ranking, other: Ranking) -> float | None:
    """Spearman's correlation over the images that both have ranked; None for fewer than three."""
    places = {entry.id: entry.rank for entry in other.entries}
    pairs = np.array([(e.rank, places[e.id]) for e in one.entries if e.id in places], dtype=float)
    if len(pairs) < 3:
        return None
    one_side, other_side = pairs.argsort(axis=0).argsort(axis=0).T
    correlation: np.ndarray = np.corrcoef(one_side, other_side)
    return float(correlation[0, 1])
