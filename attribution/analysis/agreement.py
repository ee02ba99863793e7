"""How far two rankings agree: the first images they share, and the order of those that both have ranked.

Both are of the same training set: an image is known by its row.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64
from numpy import ndarray
from scipy.stats import spearmanr

from attribution.results import Ranking

TOP = 20  # ranks whose overlap is counted


def common_rows(one: Ranking, other: Ranking) -> Int64[ndarray, " common"]:
    """The images that both have ranked."""
    return np.intersect1d(one.rows, other.rows, assume_unique=True)


def overlap(one: Ranking, other: Ranking, top: int = TOP) -> int:
    """How many of one ranking's first images are among the other's first."""
    return len(np.intersect1d(one.rows[:top], other.rows[:top], assume_unique=True))


def rank_agreement(one: Ranking, other: Ranking) -> float | None:
    """Spearman's correlation over the images that both have ranked; None for fewer than three."""
    common = common_rows(one, other)
    if len(common) < 3:
        return None
    return float(spearmanr(one.ranks[common], other.ranks[common]).statistic)
