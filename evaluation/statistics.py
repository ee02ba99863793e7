"""The numbers of the reports. Pure functions of plain values."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.stats import ConstantInputWarning, bootstrap, mannwhitneyu, norm, spearmanr

RESAMPLES = 10_000
LEVEL = 0.95


def precision_at(k: int, ranked: Sequence[str], relevant: Collection[str]) -> float:
    """The share of the first `k` of `ranked` that is relevant.

    Raises:
        ValueError: fewer than `k` were ranked, so the share would mean something else.
    """
    if not 0 < k <= len(ranked):
        raise ValueError(f"precision at {k} of {len(ranked)} ranked images is not defined")
    return sum(name in relevant for name in ranked[:k]) / k


def average_precision(ranks: Sequence[int]) -> float:
    """The mean of the precisions at the place of each that is relevant."""
    return float(np.mean(np.arange(1, len(ranks) + 1) / np.sort(ranks)))


def share(names: Sequence[str], relevant: Collection[str]) -> float:
    """The share of `names` that is relevant: the precision that a random ranking expects."""
    return sum(name in relevant for name in names) / len(names)


def best_precision_at(k: int, names: Sequence[str], relevant: Collection[str]) -> float:
    """The precision at `k` of a ranking that puts every relevant one first: the ceiling."""
    return min(k, sum(name in relevant for name in names)) / k


def locality(
    left_box_left_object: Float[ndarray, " prompts"],
    right_box_left_object: Float[ndarray, " prompts"],
    right_box_right_object: Float[ndarray, " prompts"],
    left_box_right_object: Float[ndarray, " prompts"],
) -> Float[ndarray, " prompts"]:
    """How much more often the images ranked first show the boxed object than the other box's do.

    Half of [p(left box, left object) - p(right box, left object) + p(right box, right object)
    - p(left box, right object)]. An object is compared with itself under the two boxes, so neither its
    frequency nor the scene as a whole counts: 0 for a method that ignores the box, at most 1.
    """
    left = left_box_left_object - right_box_left_object
    right = right_box_right_object - left_box_right_object
    return np.asarray((left + right) / 2)


def auc(positive: Float[ndarray, " n"], negative: Float[ndarray, " m"]) -> float:
    """How often a value of the one is above one of the other: the area under the ROC curve."""
    return float(mannwhitneyu(positive, negative).statistic / (len(positive) * len(negative)))


def bootstrap_interval(
    columns: Float[ndarray, "prompts columns"],
    of_means: Callable[[Float[ndarray, "resamples columns"]], Float[ndarray, " resamples"]],
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic of column means; the prompts are resampled.

    The columns of a prompt stay together, so paired quantities (a precision and its base rate) do.
    """
    columns = np.asarray(columns, dtype=np.float64)
    if len(columns) == 1:  # every resample is the one prompt; SciPy wants two
        (value,) = of_means(columns)
        return float(value), float(value)
    found = bootstrap(
        columns.T,
        lambda *drawn, axis: of_means(np.stack([each.mean(axis=axis) for each in drawn], axis=-1)),
        n_resamples=resamples,
        paired=True,
        vectorized=True,
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def mean_interval(
    values: Float[ndarray, " prompts"], resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Bootstrap interval of a mean over prompts."""
    column = np.asarray(values, dtype=np.float64)[:, None]
    return bootstrap_interval(column, lambda means: means[:, 0], resamples, seed=seed)


def grouped_interval(
    values: Float[ndarray, " values"],
    groups: Int[ndarray, " values"],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Bootstrap interval of a mean over values of which those of one group belong together.

    Groups are resampled, with all that they have: two questions about one picture are not two pictures.
    """
    _, place = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(place, np.asarray(values, dtype=np.float64)), np.bincount(place)
    return ratio_interval(sums, counts, resamples, seed)


def ratio_interval(
    values: Float[ndarray, " prompts"],
    bases: Float[ndarray, " prompts"],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float]:
    """Bootstrap interval of mean(values) / mean(bases), resampled together."""
    columns = np.stack([values, bases], axis=1)
    return bootstrap_interval(columns, lambda means: means[:, 0] / means[:, 1], resamples, seed=seed)


def holm(p_values: Sequence[float]) -> list[float]:
    """P values of several tests, corrected by Holm (1979): those below a level hold at it together."""
    order = np.argsort(p_values, kind="stable")
    steps = (len(p_values) - np.arange(len(p_values))) * np.asarray(p_values, dtype=np.float64)[order]
    found = np.empty(len(p_values))
    found[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return [float(p) for p in found]


def two_sided(resampled: Float[ndarray, " resamples"]) -> float:
    """How often resampled values are on the other side of zero, twice, as a bootstrap's p value.

    Never below what so many of them can tell.
    """
    beyond = min(int((resampled <= 0).sum()), int((resampled >= 0).sum())) + 1
    return min(1.0, 2 * beyond / (len(resampled) + 1))


def by_standard_error(value: float, resampled: Float[ndarray, " resamples"]) -> float:
    """Two-sided p value of a figure over its bootstrap's standard error, by the normal distribution.

    Unlike `two_sided` it needs no more resamples to be small, and so serves many comparisons at once.
    """
    spread = float(np.std(resampled, ddof=1))
    return float(2 * norm.sf(abs(value) / spread)) if spread > 0 else float(value == 0)


def spearman(one: Float[ndarray, " n"], other: Float[ndarray, " n"]) -> float:
    """Rank correlation; ties share their mean rank, and a pair that lacks a value does not count.

    NaN where one side does not vary.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantInputWarning)
        return float(spearmanr(one, other, nan_policy="omit").statistic)


def recall_at(k: int, found: Sequence[Any], reference: Sequence[Any]) -> float:
    """The share of the first `k` of `reference` that is among the first `k` of `found`."""
    return len(set(found[:k]) & set(reference[:k])) / k
