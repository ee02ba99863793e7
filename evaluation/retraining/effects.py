"""What leaving images out did, in numbers: against chance, the oracle, and the spread of training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from evaluation.retraining.evidence import Measured, Series, recognised
from evaluation.retraining.panel import CONTROL, TARGET
from evaluation.retraining.plans import ORACLE
from evaluation.retraining.records import Record, cpu_minutes
from evaluation.statistics import ratio_interval

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
    removal, chance, luck = trained.removal, trained.chance, trained.luck
    draws, resamples = len(chance), len(some)
    which, lucky = rng.integers(draws, size=(resamples, draws)), rng.integers(draws, size=resamples)
    expected = chance[which[:, :, None], some[:, None, :]].mean(axis=(1, 2))
    found: Float[ndarray, " resamples"] = (removal[some] + luck[lucky[:, None], some]).mean(
        axis=1
    ) - expected
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


def _unrecognised(series: Series, measured: Measured) -> Rises | None:
    job, record = measured
    found = [_objects(each) for each in (series.references[job.seed], record)]
    return None if found[0] is None or found[1] is None else found[0] - found[1]


def _objects(record: Record) -> Rises | None:
    left, right = record.shares("left"), record.shares("right")
    return None if left is None or right is None else (left + right) / 2


OUTCOMES: dict[str, Outcome] = {
    "loss": _loss,
    "pixels (MSE)": _likeness("mse", 1),
    "CLIP (1 - cosine)": _likeness("clip", -1),
    "DINO (1 - cosine)": _likeness("dino", -1),
    "likelihood of the objects": _unrecognised,
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
        recognised: the share of the targets' objects that the judge names in the pictures made again.
        share: of the oracle's effect on the targets' loss, and its interval over targets; None where the
            oracle has none.
    """

    method: str
    k: int
    left_out: int
    trainings: int
    targets: dict[str, Effect]
    controls: dict[str, Effect]
    recognised: float | None
    share: tuple[float, Interval] | None


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
    both = [seed for seed in removals if seed in oracles]
    if not both:
        return None
    found, most = (
        np.mean([each.beyond for each in trained(series, {s: some[s] for s in both}, TARGET)], axis=0)
        for some in (removals, oracles)
    )
    return None if most.mean() <= 0 else (float(found.mean() / most.mean()), ratio_interval(found, most))


def _line(series: Series, removals: Mapping[int, Measured]) -> UnionLine:
    job, _ = next(iter(removals.values()))
    method, k = str(job.labels["method"]), int(job.labels["k"])
    targets, controls = (
        {name: e for name in OUTCOMES if (e := effect(series, removals, role, name)) is not None}
        for role in (TARGET, CONTROL)
    )
    rows, records = series.panel.rows(TARGET), [record for _, record in removals.values()]
    return UnionLine(
        method, k, job.left_out.count, len(removals), targets, controls,
        recognised(records, series.panel, rows), _share(series, removals, k),
    )  # fmt: skip


@dataclass(frozen=True)
class PilotLine:
    """How much signal a recipe gives: the oracle's effect on so many targets over luck's spread.

    Attributes:
        luck: standard deviation, between random removals, of the mean over the targets.
        efficiency: signal squared (with its sign) a minute of processor time: as repeated trainings add up.
    """

    recipe: str
    k: int
    targets: int
    outcome: str
    effect: float
    luck: float
    signal: float
    minutes: float | None
    efficiency: float | None


def pilot_lines(series: Series, counts: Sequence[int] = (2, 4, 8)) -> list[PilotLine]:
    """The signal of each K, number of targets and outcome that was measured."""
    lines = []
    minutes = cpu_minutes([record for _, record in series.jobs])
    for k in series.values("k", "union"):
        chance, oracle = series.chance(int(k)), series.select(0, kind="union", method=ORACLE, k=k)
        if len(chance) < 2 or not oracle or 0 not in series.references:
            continue
        for name, of in OUTCOMES.items():
            found, draws = of(series, oracle[0]), [of(series, each) for each in chance]
            known = [each for each in draws if each is not None]
            if found is None or len(known) < 2:
                continue
            for count in (n for n in counts if n <= len(series.panel.rows(TARGET))):
                rows = series.panel.rows(TARGET)[:count]
                means = np.array([each[rows].mean() for each in known])
                value, luck = float(found[rows].mean() - means.mean()), float(means.std(ddof=1))
                if luck == 0:
                    continue  # nothing that can be divided by
                signal = value / luck
                per_minute = signal * abs(signal) / minutes if minutes else None
                lines.append(
                    PilotLine(series.recipe, int(k), count, name, value, luck, signal, minutes, per_minute)
                )
    return lines


def seed_spread(series: Series) -> float | None:
    """How far the targets' mean loss differs between references: its relative standard deviation."""
    rows = series.panel.rows(TARGET)
    means = [record.mean_losses()[rows].mean() for record in series.references.values()]
    return float(np.std(means, ddof=1) / np.mean(means)) if len(means) > 1 else None
