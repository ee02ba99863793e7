"""Influence by any column of the training set's metadata: by collection, object, artist, licence ..."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.stats import binomtest

from attribution.data.catalogue import values_of
from attribution.data.training_set import TrainingSet
from attribution.errors import SettingsError
from attribution.results import Ranking
from attribution.rng import generator

RESAMPLED = 1000  # times, for an interval
LEVEL = 0.95
MOST_VALUES = 500  # of a column that can be grouped by


@dataclass(frozen=True)
class Group:
    """What the images with one value of a column have together.

    Attributes:
        images: of those ranked, how many have the value.
        base: the share of the whole training set that has it. Not of those ranked: what was picked for
            being promising is no baseline.
        summed: their scores' sum, with its 95% interval.
        first: how many of the first `top` ranks they take; share: of those, with its 95% interval.
    """

    value: str
    images: int
    base: float
    summed: float
    summed_low: float
    summed_high: float
    first: int
    share: float
    share_low: float
    share_high: float


@dataclass(frozen=True)
class Share:
    """How much of a ranking's first ranks the images with one value of a column take.

    Attributes:
        first: how many of the first `top` ranks.
        share: of those, with its 95% interval.
        base: their share of the whole training set.
    """

    value: str
    first: int
    share: float
    low: float
    high: float
    base: float


@lru_cache(maxsize=4)
def columns_of(training_set: TrainingSet) -> tuple[str, ...]:
    """The columns that images can be grouped by: at least two values, and fewer values than images."""
    found: dict[str, set[str]] = {}
    for example in training_set.examples:
        for column in example.metadata:
            found.setdefault(column, set()).update(values_of(example, column))
    most = min(MOST_VALUES, len(training_set.examples) - 1)
    return tuple(column for column, values in found.items() if 2 <= len(values) <= most)


def grouped(
    ranking: Ranking, training_set: TrainingSet, column: str, top: int = 20, seed: int = 0
) -> list[Group]:
    """One group a value, the largest sum first.

    The sum's interval is a bootstrap over images (Poisson weights) that also moves every score by its
    standard error: what another training set like this one, measured anew, would give. The share's is
    Wilson's. An image with several values counts for each of them.

    Raises:
        SettingsError: images cannot be grouped by this column.
    """
    if column not in columns_of(training_set):
        known = ", ".join(columns_of(training_set)) or "none at all"
        raise SettingsError(f"the training set cannot be grouped by {column!r}: choose from {known}")
    names, member = _membership(ranking, training_set, column)
    scores, count = ranking.scores, len(ranking)
    errors = np.zeros(count) if ranking.stderr is None else ranking.stderr
    low, high = _intervals(scores, errors, member, seed)
    shares = {share.value: share for share in first_shares(ranking, training_set, column, top)}
    groups = []
    for k, name in enumerate(names):
        share = shares[name]
        groups.append(
            Group(
                name,
                int(member[:, k].sum()),
                share.base,
                float(scores @ member[:, k]),
                float(low[k]),
                float(high[k]),
                share.first,
                share.share,
                share.low,
                share.high,
            )
        )
    return sorted(groups, key=lambda group: (-group.summed, group.value))


def first_shares(ranking: Ranking, training_set: TrainingSet, column: str, top: int = 20) -> list[Share]:
    """One share a value of the column, the largest first; Wilson's intervals."""
    top = min(top, len(ranking))
    rows = ranking.rows[:top]
    counted = Counter(value for row in rows for value in values_of(training_set.examples[row], column))
    shares = [
        Share(value, counted[value], counted[value] / top, *wilson(counted[value], top), base)
        for value, base in shares_of(training_set, column).items()
    ]
    return sorted(shares, key=lambda share: (-share.share, share.value))


@lru_cache(maxsize=16)
def shares_of(training_set: TrainingSet, column: str) -> dict[str, float]:
    """The share of all training images that have each value of a column."""
    counted = Counter(value for example in training_set.examples for value in values_of(example, column))
    return {value: images / len(training_set) for value, images in counted.items()}


def _membership(
    ranking: Ranking, training_set: TrainingSet, column: str
) -> tuple[list[str], Float64[ndarray, "ranked values"]]:
    """The values of a column, and a 1 for each that a ranked image has."""
    values = [values_of(training_set.examples[row], column) for row in ranking.rows]
    names = sorted({value for each in values for value in each})
    places = {name: k for k, name in enumerate(names)}
    member = np.zeros((len(values), len(names)))
    for number, each in enumerate(values):
        member[number, [places[value] for value in each]] = 1
    return names, member


def _intervals(
    scores: np.ndarray, errors: np.ndarray, member: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    rng = generator(seed, "groups")
    sums = np.empty((RESAMPLED, member.shape[1]))
    for k in range(RESAMPLED):
        weights = rng.poisson(1.0, len(scores))
        moved = scores + errors * rng.standard_normal(len(scores))
        sums[k] = (weights * moved) @ member
    tail = (1 - LEVEL) / 2
    return np.quantile(sums, tail, axis=0), np.quantile(sums, 1 - tail, axis=0)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share."""
    found = binomtest(successes, trials).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


def largest(groups: Iterable[Group], count: int, by: str) -> list[Group]:
    """The first `count` by "summed" or "share"."""
    return sorted(groups, key=lambda group: (-getattr(group, by), group.value))[:count]
