"""How far pictures lean on one collection of training images, against its share of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from attribution.results import Ranking
from attribution.rng import generator

TOP = 20  # ranks
FEWEST = 5  # pictures, of which an interval over pictures is worth something
RESAMPLED, LEVEL = 2000, 0.95


@dataclass(frozen=True)
class Lean:
    """How much of one ranking is of a collection.

    Attributes:
        first: how many of the first `top` ranks.
        score: its share of all positive scores; None where not the whole training set was ranked, or
            nothing has a positive score: what was picked for being promising has no baseline.
    """

    first: int
    top: int
    score: float | None

    @property
    def share(self) -> float:
        """Of the first ranks."""
        return self.first / self.top


@dataclass(frozen=True)
class MeanShare:
    """A mean over pictures, with its 95% interval; none of fewer than `FEWEST` pictures."""

    value: float
    low: float | None
    high: float | None


def lean_of(ranking: Ranking, chosen: Bool[ndarray, " examples"], top: int = TOP) -> Lean:
    """How much of a ranking is of the chosen rows."""
    top = min(top, len(ranking))
    own = chosen[ranking.rows]
    positive = np.maximum(ranking.scores, 0.0)
    total = float(positive.sum())
    whole = len(ranking) == len(ranking.training_set) and total > 0
    return Lean(int(own[:top].sum()), top, float(positive[own].sum()) / total if whole else None)


def mean_share(by_picture: Sequence[Sequence[float]], seed: int = 0) -> MeanShare:
    """The mean over pictures of the mean share of each picture's parts.

    The interval is a bootstrap over pictures: what other pictures like these would give. Parts of one
    picture are no pictures of their own.
    """
    values = np.array([np.mean(shares) for shares in by_picture], np.float64)
    if len(values) < FEWEST:
        return MeanShare(float(values.mean()), None, None)
    drawn = generator(seed, "collection").integers(len(values), size=(RESAMPLED, len(values)))
    means = values[drawn].mean(axis=1)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    return MeanShare(float(values.mean()), float(low), float(high))
