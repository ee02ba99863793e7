"""Spend a budget of draws where it decides something: many images a little, the best ones more.

Every image's score is its mean loss change over the fixed timestep grid and over noise. A round
measures complete timestep blocks (every timestep, at least two noises) of the images still in the
race; those that are clearly not among the best are dropped. What selected the survivors does not
estimate them: their scores come from later rounds, whose noise is fresh. Sequential elimination with
the error level spent over rounds and images (Even-Dar, Mannor & Mansour 2006), and no result depends
on the clock: the budget is counted in draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool, Float64, Int
from numpy import ndarray

LEVEL = 0.05  # chance that anything dropped was among the best
SCREENING = 0.7  # of the budget at most
KEPT = 1.5  # times k: how many images at least are measured again
MAX_ROUNDS = 64

Rises = Float64[ndarray, "n timesteps noises"]
# (positions, number of the round) => loss changes; yields what it likes while it works
Measure = Callable[[Int[ndarray, " n"], int], Generator[object, None, Rises]]


@dataclass(frozen=True)
class Standing:
    """Where a race stands after a round, or within the first, of which every part is one.

    Attributes:
        values, stderr: of every image of the race in its order, NaN where nothing is measured yet.
        draws: of each image.
        racing: whether it is still in the race.
        spent: draws in all.
        rounds: done; 0 within the first.
        settled: whether the first k are separated from the others at the level of the race.
        over: whether this is the last one.
    """

    values: Float64[ndarray, " n"]
    stderr: Float64[ndarray, " n"]
    draws: Int[ndarray, " n"]
    racing: Bool[ndarray, " n"]
    spent: int
    rounds: int
    settled: bool
    over: bool = False


def mean_and_error(rises: Rises) -> tuple[Float64[ndarray, " n"], Float64[ndarray, " n"]]:
    """The mean over the grid, and its standard error from the spread within each timestep.

    The grid is not noise: only the spread between noises of one timestep counts. NaN with a single
    noise, which has no spread.
    """
    grid, noises = rises.shape[1:]
    values = rises.mean(axis=(1, 2))
    if noises < 2:
        return values, np.full(len(rises), np.nan)
    within = rises.var(axis=2, ddof=1) / noises  # variance of each timestep's mean
    return values, np.sqrt(within.sum(axis=1)) / grid


def race(
    count: int, k: int, budget: int, cost: int, later_cost: Callable[[int], int], measure: Measure
) -> Generator[object, None, Standing]:
    """Find the best `k` of `count` images, which come in order of promise; yields each `Standing`.

    The first round goes in parts of `2 k` images, so that there is something to be seen early; what it
    decides, it decides of all. Whatever `measure` yields is passed on. Returns the last standing.

    Args:
        budget: draws to spend at most; the first `2 k` images are measured whatever it is.
        cost: draws of one image in the first round.
        later_cost: of one image in round 1, 2, ..., which are on fresh noise.
    """
    screened = min(count, max(2 * k, int(SCREENING * budget) // cost))
    positions, spent = np.arange(screened), screened * cost
    values, stderr, draws = yield from _first_round(count, screened, 2 * k, cost, measure)
    afford = (budget - spent) // max(1, 2 * later_cost(1))  # enough for two rounds
    most = max(math.ceil(KEPT * k), afford)
    inside = _survivors(values, stderr, positions, k, screened, 1, most)
    fresh: dict[int, list[Rises]] = {}
    round_number = 1
    while True:
        settled = len(inside) <= k
        price = later_cost(round_number)
        over = settled or spent + len(inside) * price > budget or round_number == MAX_ROUNDS
        racing = np.isin(np.arange(count), inside)
        standing = Standing(
            values.copy(), stderr.copy(), draws.copy(), racing, spent, round_number, settled, over
        )
        yield standing
        if over:
            return standing
        rises = yield from measure(inside, round_number)
        for position, rise in zip(inside.tolist(), rises, strict=True):
            fresh.setdefault(position, []).append(rise[None])
            mean, error = mean_and_error(np.concatenate(fresh[position], axis=2))
            values[position], stderr[position] = mean[0], error[0]
        draws[inside] += price
        spent += len(inside) * price
        round_number += 1
        inside = _survivors(values, stderr, inside, k, screened, round_number, len(inside))


def _first_round(
    count: int, screened: int, part: int, cost: int, measure: Measure
) -> Generator[object, None, tuple[Float64[ndarray, " n"], Float64[ndarray, " n"], Int[ndarray, " n"]]]:
    """Measure the first `screened` images; yields a `Standing` after each part but the last.

    Returns their values, standard errors and draws.
    """
    values, stderr = np.full(count, np.nan), np.full(count, np.nan)
    draws, racing = np.zeros(count, np.int64), np.arange(count) < screened
    for start in range(0, screened, part):
        end = min(start + part, screened)
        found = yield from measure(np.arange(start, end), 0)
        values[start:end], stderr[start:end] = mean_and_error(found)
        draws[start:end] = cost
        if end < screened:
            spent = int(draws.sum())
            yield Standing(values.copy(), stderr.copy(), draws.copy(), racing, spent, 0, settled=False)
    return values, stderr, draws


def _survivors(
    values: Float64[ndarray, " n"],
    stderr: Float64[ndarray, " n"],
    inside: Int[ndarray, " m"],
    k: int,
    images: int,
    rounds: int,
    most: int,
) -> Int[ndarray, " survivors"]:
    """Positions that may still be among the best k, at most `most` of them, best first dropped last.

    The level is spent over rounds as 6 / (pi r)^2 and over images in equal parts.
    """
    share = LEVEL * 6 / (math.pi * rounds) ** 2 / max(1, images)
    margin = NormalDist().inv_cdf(1 - share / 2) * np.nan_to_num(stderr[inside], nan=np.inf)
    lower, upper = values[inside] - margin, values[inside] + margin
    if len(inside) > k:
        threshold = np.sort(lower)[-k]
        inside, upper = inside[upper >= threshold], upper
    order = np.lexsort((inside, -values[inside]))
    return np.sort(inside[order[:most]])
