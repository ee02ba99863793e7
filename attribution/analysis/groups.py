"""Influence by any column of the training set's metadata: by collection, object, artist, licence ..."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray
from scipy.stats import binomtest, norm

from attribution.data.training_set import TrainingSet, values_of
from attribution.errors import SettingsError
from attribution.results import Ranking
from attribution.rng import generator

RESAMPLED = 1000  # times, for an interval
LEVEL = 0.95
RESAMPLED_UP_TO = 20_000  # images


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


def columns_of(training_set: TrainingSet) -> tuple[str, ...]:
    """The columns that images can be grouped by: at least two values, and fewer values than images."""
    return tuple(training_set.groupings)


def grouped(
    ranking: Ranking, training_set: TrainingSet, column: str, top: int = 20, seed: int = 0
) -> list[Group]:
    """One group a value, the largest sum first.

    The sum's interval is a bootstrap over images (Poisson weights) that also moves every score by its
    standard error: what another training set like this one, measured anew, would give; of more images than
    `RESAMPLED_UP_TO`, the normal distribution that it comes to. The share's is Wilson's.
    An image with several values counts for each of them.

    Raises:
        SettingsError: images cannot be grouped by this column.
    """
    if column not in columns_of(training_set):
        known = ", ".join(columns_of(training_set)) or "none at all"
        raise SettingsError(f"the training set cannot be grouped by {column!r}: choose from {known}")
    members = _members(ranking, training_set, column)
    errors = np.zeros(len(ranking)) if ranking.stderr is None else ranking.stderr
    if len(ranking) > RESAMPLED_UP_TO:
        intervals = _normal_intervals(ranking.scores, errors, members)
    else:
        intervals = _intervals(ranking.scores, errors, members, seed)
    shares = {share.value: share for share in first_shares(ranking, training_set, column, top)}
    groups = []
    for (name, own), (low, high) in zip(members.items(), intervals, strict=True):
        share, summed = shares[name], float(ranking.scores[own].sum())
        first = (share.first, share.share, share.low, share.high)
        groups.append(Group(name, len(own), share.base, summed, low, high, *first))
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


def shares_of(training_set: TrainingSet, column: str) -> dict[str, float]:
    """The share of all training images that have each value of a column that they can be grouped by."""
    values = training_set.groupings[column]
    return dict(zip(values.terms, (values.counts / len(training_set)).tolist(), strict=True))


def _members(ranking: Ranking, training_set: TrainingSet, column: str) -> dict[str, Int64[ndarray, " k"]]:
    """By value, in order, the positions of the ranked images that have it; of those that any has."""
    place = np.full(len(training_set), -1)
    place[ranking.rows] = np.arange(len(ranking))
    values = training_set.groupings[column]
    found = {value: place[values.of(value)] for value in sorted(values.terms)}
    held = {value: np.sort(places[places >= 0]) for value, places in found.items()}
    return {value: places for value, places in held.items() if len(places)}


def _intervals(
    scores: Float64[ndarray, " ranked"],
    errors: Float64[ndarray, " ranked"],
    members: Mapping[str, Int64[ndarray, " k"]],
    seed: int,
) -> Iterator[tuple[float, float]]:
    """The interval of each group's sum, by resampling."""
    member = np.zeros((len(scores), len(members)))
    for k, own in enumerate(members.values()):
        member[own, k] = 1
    rng = generator(seed, "groups")
    sums = np.empty((RESAMPLED, len(members)))
    for k in range(RESAMPLED):
        weights = rng.poisson(1.0, len(scores))
        moved = scores + errors * rng.standard_normal(len(scores))
        sums[k] = (weights * moved) @ member
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(sums, tail, axis=0), np.quantile(sums, 1 - tail, axis=0)
    yield from zip(low.tolist(), high.tolist(), strict=True)


def _normal_intervals(
    scores: Float64[ndarray, " ranked"],
    errors: Float64[ndarray, " ranked"],
    members: Mapping[str, Int64[ndarray, " k"]],
) -> Iterator[tuple[float, float]]:
    """What resampling would give of very many images, without it.

    An image's part of a sum is w (s + e z), with w of Poisson's distribution of mean 1 and z normal. Its
    variance is E[w^2] (s^2 + e^2) - s^2 = s^2 + 2 e^2, and the sum of many parts is normal.
    """
    width = float(norm.isf((1 - LEVEL) / 2))
    for own in members.values():
        middle = float(scores[own].sum())
        apart = width * math.sqrt(float((scores[own] ** 2 + 2 * errors[own] ** 2).sum()))
        yield middle - apart, middle + apart


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share."""
    found = binomtest(successes, trials).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


def largest(groups: Iterable[Group], count: int, by: str) -> list[Group]:
    """The first `count` by "summed" or "share"."""
    return sorted(groups, key=lambda group: (-getattr(group, by), group.value))[:count]
