"""What leaving images out did, in numbers: against chance, the oracle, and the spread of training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from evaluation.retraining.panel import CONTROL, TARGET
from evaluation.retraining.plans import ORACLE
from evaluation.retraining.report.evidence import Evidence, Measured, Series
from evaluation.retraining.report.objects import named

RESAMPLES = 10_000
LEVEL = 0.95
Rises = Float[ndarray, " pictures"]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Effect:
    """A mean over pictures, beyond what chance does.

    Attributes:
        interval: see `beyond_chance`.
        spreads: the effect over the standard deviation, between random draws, of their mean; None where
            there are fewer than two draws.
    """

    value: float
    interval: Interval | None
    spreads: float | None


@dataclass(frozen=True)
class Trained:
    """A removal that was trained once, and random removals trained from the same seed."""

    removal: Rises
    chance: Float[ndarray, "draws pictures"]

    @property
    def beyond(self) -> Rises:
        found: Rises = self.removal - self.chance.mean(axis=0)
        return found

    @property
    def luck(self) -> Float[ndarray, "draws pictures"]:
        """What each random removal differs from their mean, as one more training would."""
        draws = len(self.chance)
        found: Float[ndarray, "draws pictures"] = (self.chance - self.chance.mean(axis=0)) * np.sqrt(
            draws / (draws - 1)
        )
        return found


def beyond_chance(trained: Sequence[Trained], seed: int = 0) -> Effect:
    """A removal's mean rise less that of random removals; the mean over the seeds it was trained from.

    The interval (95%) resamples pictures, the same for all seeds, and each seed's random draws; and, since
    the removal was trained once a seed, adds the deviation of a random draw from their mean: what one
    training differs from another by luck. Where a seed has fewer than two draws there is no interval.
    """
    value = float(np.mean([each.beyond.mean() for each in trained]))
    if any(len(each.chance) < 2 for each in trained):
        return Effect(value, None, None)
    rng = np.random.default_rng(seed)
    pictures = len(trained[0].removal)
    some = rng.integers(pictures, size=(RESAMPLES, pictures))
    found = np.mean([_resampled(each, some, rng) for each in trained], axis=0)
    spread = float(np.mean([each.chance.mean(axis=1).std(ddof=1) for each in trained]))
    return Effect(value, interval_of(found), value / spread if spread > 0 else None)


def _resampled(
    trained: Trained, some: Int[ndarray, "resamples pictures"], rng: np.random.Generator
) -> Float[ndarray, " resamples"]:
    """The mean rise beyond chance over some pictures, with luck and draws taken at random."""
    draws = len(trained.chance)
    which, lucky = rng.integers(draws, size=(len(some), draws)), rng.integers(draws, size=len(some))
    found: Float[ndarray, " resamples"] = _once_more(trained, some, lucky) - _expected(trained, some, which)
    return found


def _once_more(
    trained: Trained, some: Int[ndarray, "resamples pictures"], lucky: Int[ndarray, " resamples"]
) -> Float[ndarray, " resamples"]:
    """The removal's mean rise over some pictures, as another training of it might have had it."""
    found: Float[ndarray, " resamples"] = (trained.removal[some] + trained.luck[lucky[:, None], some]).mean(
        axis=1
    )
    return found


def _expected(
    trained: Trained, some: Int[ndarray, "resamples pictures"], which: Int[ndarray, "resamples draws"]
) -> Float[ndarray, " resamples"]:
    """The mean rise of some random removals over some pictures."""
    found: Float[ndarray, " resamples"] = trained.chance[which[:, :, None], some[:, None, :]].mean(
        axis=(1, 2)
    )
    return found


def interval_of(resampled: Float[ndarray, " resamples"]) -> Interval:
    """The percentile interval of resampled values."""
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


# What a removal changes in each picture, so that more is more changed; None where it was not measured.
Outcome = Callable[[Series, Measured], Rises | None]


def _loss(series: Series, measured: Measured) -> Rises:
    return series.rises(measured)


def _likeness(name: str, sign: float) -> Outcome:
    """The change of a likeness to the panel's pictures, from that of the reference."""

    def change(series: Series, measured: Measured) -> Rises | None:
        job, record = measured
        found, before = record.likeness.get(name), series.references[job.seed].likeness.get(name)
        return None if found is None or before is None else sign * (np.array(found) - np.array(before))

    return change


def _gone(series: Series, measured: Measured) -> Rises | None:
    """Of a picture's two objects, the share that the judge names no more on either side."""
    job, record = measured
    before, after = (named(each, series.panel) for each in (series.references[job.seed], record))
    return None if before is None or after is None else before.mean(axis=1) - after.mean(axis=1)


GONE = "objects gone"
OUTCOMES: dict[str, Outcome] = {
    "loss": _loss,
    "pixels (MSE)": _likeness("mse", 1),
    "CLIP (1 - cosine)": _likeness("clip", -1),
    "DINO (1 - cosine)": _likeness("dino", -1),
    GONE: _gone,
}


def effect(
    series: Series, removals: Mapping[int, Measured], role: str, outcome: str = "loss"
) -> Effect | None:
    """An outcome's effect on the targets or the controls; None where it was not measured.

    Args:
        removals: what was trained, by seed.
    """
    found = trained(series, removals, role, outcome)
    return beyond_chance(found) if found else None


def trained(
    series: Series, removals: Mapping[int, Measured], role: str, outcome: str = "loss"
) -> list[Trained]:
    """An outcome of the removals of each seed and of its random ones, where it was measured."""
    rows, of = series.panel.rows(role), OUTCOMES[outcome]
    every = []
    for seed, removal in removals.items():
        found = of(series, removal)
        draws = [of(series, each) for each in series.chance(int(removal[0].labels["k"]), seed=seed)]
        known = [each[rows] for each in draws if each is not None]
        if found is not None and known:
            every.append(Trained(found[rows], np.stack(known)))
    return every


@dataclass(frozen=True)
class UnionLine:
    """What removing one union did to targets and controls, by outcome.

    Attributes:
        trainings: seeds that it was trained from.
        share: of the oracle's effect on the targets' loss, and its interval as `share_of` has it; None of
            the oracle itself, and where it has no effect.
    """

    method: str
    k: int
    left_out: int
    trainings: int
    targets: dict[str, Effect]
    controls: dict[str, Effect]
    share: tuple[float, Interval] | None


def removed(evidence: Evidence) -> list[UnionLine]:
    """Every union that was removed, to be asked for by `Evidence.once`."""
    return [] if evidence.main is None else union_lines(evidence.main)


def union_lines(series: Series) -> list[UnionLine]:
    """Every union that was removed, by K; where there is no reference or no random removal, none."""
    lines = []
    for k in series.values("k", "union"):
        for method in series.values("method", "union"):
            removals = removals_of(series, str(method), int(k))
            if removals:
                lines.append(_line(series, removals))
    return lines


def removals_of(series: Series, method: str, k: int) -> dict[int, Measured]:
    """What was trained without a method's union, by seed, where that can be held against chance."""
    found = {seed: series.select(seed, kind="union", method=method, k=k) for seed in series.comparable(k)}
    return {seed: each[0] for seed, each in found.items() if each}


def _share(series: Series, removals: Mapping[int, Measured], k: int) -> tuple[float, Interval] | None:
    """Of the oracle's effect, from the seeds that both were trained from."""
    oracles = removals_of(series, ORACLE, k)
    both = [seed for seed in removals if seed in oracles and removals[seed] != oracles[seed]]
    if not both:
        return None
    found, most = (
        trained(series, {seed: some[seed] for seed in both}, TARGET) for some in (removals, oracles)
    )
    return share_of(found, most)


def share_of(
    found: Sequence[Trained], most: Sequence[Trained], seed: int = 0
) -> tuple[float, Interval] | None:
    """A removal's effect over another one's, each the mean over the seeds that both were trained from.

    The interval (95%) resamples pictures and each seed's random draws, the same for both, and adds luck to
    each by itself, as `beyond_chance` does. None where the other one has no effect, or a seed has fewer
    than two draws.
    """
    pairs = list(zip(found, most, strict=True))
    own, others = (float(np.mean([each.beyond.mean() for each in some])) for some in (found, most))
    if others <= 0 or any(len(each.chance) < 2 for each in found):
        return None
    rng = np.random.default_rng(seed)
    pictures = len(found[0].removal)
    some = rng.integers(pictures, size=(RESAMPLES, pictures))
    resampled = []
    for pair in pairs:
        draws = len(pair[0].chance)
        expected = _expected(pair[0], some, rng.integers(draws, size=(RESAMPLES, draws)))
        lucky = rng.integers(draws, size=(2, RESAMPLES))
        resampled.append([_once_more(each, some, lucky[n]) - expected for n, each in enumerate(pair)])
    above, below = np.mean(resampled, axis=0)
    return own / others, interval_of(above / below)


def _line(series: Series, removals: Mapping[int, Measured]) -> UnionLine:
    job, _ = next(iter(removals.values()))
    method, k = str(job.labels["method"]), int(job.labels["k"])
    targets, controls = (
        {name: e for name in OUTCOMES if (e := effect(series, removals, role, name)) is not None}
        for role in (TARGET, CONTROL)
    )
    share = _share(series, removals, k)
    return UnionLine(method, k, job.left_out.count, len(removals), targets, controls, share)
