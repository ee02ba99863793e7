"""How much more is lost without what one method names than without what another one does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from attribution.methods.base import DEFAULT
from evaluation.retraining.panel import TARGET
from evaluation.retraining.plans import YARDSTICKS
from evaluation.retraining.report.effects import (
    LEVEL,
    RESAMPLES,
    Interval,
    Trained,
    interval_of,
    removals_of,
    trained,
)
from evaluation.retraining.report.evidence import Series
from evaluation.statistics import holm, two_sided


@dataclass(frozen=True)
class Lead:
    """The default's mean rise of the targets' loss, less another method's.

    Attributes:
        seeds: that both were trained from.
        interval: see `lead_of`; None where a seed has fewer than two random removals.
        p: that there is no lead, two-sided, corrected by Holm for all methods of that K; None as before.
    """

    method: str
    k: int
    seeds: int
    value: float
    interval: Interval | None
    p: float | None

    @property
    def clear(self) -> bool:
        """Whether the two are told apart, for all that were compared at once."""
        return self.p is not None and self.p < 1 - LEVEL

    @property
    def ahead(self) -> bool:
        return self.clear and self.value > 0

    @property
    def behind(self) -> bool:
        return self.clear and self.value < 0


def leads(series: Series, k: int) -> list[Lead]:
    """The default's lead over every other method whose union of that K was removed, the largest first."""
    first = removals_of(series, DEFAULT, k)
    found = []
    for method in series.values("method", "union"):
        if method in (DEFAULT, *YARDSTICKS):
            continue
        others = removals_of(series, str(method), k)
        both = [seed for seed in first if seed in others]
        if both:
            mine, theirs = (
                trained(series, {seed: some[seed] for seed in both}, TARGET) for some in (first, others)
            )
            found.append(Lead(str(method), k, len(both), *lead_of(mine, theirs)))
    corrected = iter(holm([lead.p for lead in found if lead.p is not None]))
    found = [replace(lead, p=next(corrected)) if lead.p is not None else lead for lead in found]
    return sorted(found, key=lambda lead: -lead.value)


def lead_of(
    first: Sequence[Trained], others: Sequence[Trained], seed: int = 0
) -> tuple[float, Interval | None, float | None]:
    """The mean over seeds and pictures of what one removal raises the loss more than another; its p value.

    The interval (95%) resamples pictures, the same for both and for all seeds; and, since each removal was
    trained once a seed, adds to each the deviation of a random draw from the draws' mean, by itself: what
    one training differs from another by luck.
    """
    pairs = list(zip(first, others, strict=True))
    value = float(np.mean([(one.removal - other.removal).mean() for one, other in pairs]))
    if not pairs or any(len(one.chance) < 2 for one, _ in pairs):
        return value, None, None
    rng = np.random.default_rng(seed)
    pictures = len(pairs[0][0].removal)
    some = rng.integers(pictures, size=(RESAMPLES, pictures))
    resampled = []
    for one, other in pairs:
        luck, lucky = one.luck, rng.integers(len(one.chance), size=(2, RESAMPLES, 1))
        apart = (one.removal - other.removal)[some] + luck[lucky[0], some] - luck[lucky[1], some]
        resampled.append(apart.mean(axis=1))
    found = np.mean(resampled, axis=0)
    return value, interval_of(found), two_sided(found)
