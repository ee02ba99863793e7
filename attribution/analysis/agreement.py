"""How far two rankings agree: the first images they share, and the order of the whole training set.

Both are of the same training set: an image is known by its row.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr

from attribution.results import Ranking

TOP = 20  # ranks whose overlap is counted


def overlap(one: Ranking, other: Ranking, top: int = TOP) -> int:
    """How many of one ranking's first images are among the other's first."""
    return len(np.intersect1d(one.rows[:top], other.rows[:top], assume_unique=True))


def chance_overlap(one: Ranking, other: Ranking, top: int = TOP) -> float:
    """How many would be among both if either's first images were drawn at random from the training set."""
    return min(top, len(one)) * min(top, len(other)) / len(one.training_set)


def ranks_all(ranking: Ranking) -> bool:
    """Whether a ranking has every training image."""
    return len(ranking) == len(ranking.training_set)


def rank_agreement(one: Ranking, other: Ranking) -> float | None:
    """Spearman's correlation over the whole training set; None where either has not ranked all of it.

    Over those alone that were picked for being promising, it would say little of how the two agree: among
    such images even orders that agree well look like chance. None for fewer than three images as well.
    """
    if len(one) < 3 or not (ranks_all(one) and ranks_all(other)):
        return None
    return float(spearmanr(one.ranks, other.ranks).statistic)
