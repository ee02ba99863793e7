"""How the random draws of an expectation are spread over timesteps: importance sampling.

The squared gradients that the Fisher information is made of differ by orders of magnitude between
timesteps, and at some they are heavy-tailed: drawn evenly, a handful of draws would decide a layer. So
timesteps are drawn in proportion to how far they spread the estimate, and each draw is weighed by the
inverse of how likely it was; the expectation stays what it is (Owen, Monte Carlo theory, ch. 9).

In some layers single draws in ten thousand are thousands of times the mean, at any timestep, and no number
of draws gives a mean that another seed would agree with. There a draw adds no more to a layer's trace than
`LARGEST` times the pilot's mean (a winsorised mean); which share of the trace was cut is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int
from numpy import ndarray

BINS = 20  # equal parts of the schedule that are told apart
LARGEST = 100.0  # pilot means that one draw may add: n draws then rest on n / 100 or more
EVEN_SHARE = 0.2  # of the draws that go everywhere alike, since a pilot's tails are short


@dataclass(frozen=True, eq=False)
class Allotment:
    """How likely each timestep is drawn.

    Attributes:
        probabilities: of each timestep of the schedule; they add up to 1, none is 0.
        largest: what one draw may add to the trace of each layer; none is cut in a layer without.
    """

    probabilities: Float64[ndarray, " times"]
    largest: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def even(cls, times: int) -> Allotment:
        """All timesteps alike."""
        return cls(np.full(times, 1 / times))

    @cached_property
    def _cumulative(self) -> Float64[ndarray, " times"]:
        return np.cumsum(self.probabilities)

    def timesteps(self, places: Float64[ndarray, " draws"]) -> Int[ndarray, " draws"]:
        """Return the timesteps at some places in [0, 1) of the cumulative distribution."""
        found = np.searchsorted(self._cumulative, places, side="right")
        return np.minimum(found, len(self.probabilities) - 1).astype(np.int64)

    def importance(self, timesteps: Int[ndarray, " draws"]) -> Float64[ndarray, " draws"]:
        """Return what each draw counts, so that the mean is that over evenly drawn timesteps."""
        weights: Float64[ndarray, " draws"] = 1 / (len(self.probabilities) * self.probabilities[timesteps])
        return weights


def bin_of(timesteps: Int[ndarray, " draws"], times: int) -> Int[ndarray, " draws"]:
    """Return the part of the schedule that each timestep lies in."""
    return timesteps * BINS // times


def allotted(
    squares: Float64[ndarray, "layers draws"], timesteps: Int[ndarray, " draws"], times: int
) -> Allotment:
    """Return the allotment that a pilot's evenly drawn squared gradient norms ask for.

    The variance of a layer's trace is least where timesteps are drawn in proportion to the root of the
    squares' second moment. Layers are put on one scale, by their traces, and share one allotment.
    """
    where = bin_of(timesteps, times)
    relative = (squares / squares.mean(axis=1, keepdims=True).clip(np.finfo(np.float64).tiny)) ** 2
    moments = np.zeros(BINS)
    for part in range(BINS):
        inside = where == part
        if inside.any():
            moments[part] = relative[:, inside].mean()
    spread = np.sqrt(moments)[bin_of(np.arange(times), times)]
    total = spread.sum()
    wanted = spread / total if total > 0 else np.full(times, 1 / times)
    return Allotment((1 - EVEN_SHARE) * wanted + EVEN_SHARE / times)
