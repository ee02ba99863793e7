"""What leaving images out did, in numbers: against chance, the oracle, and the spread of training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
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


def beyond_chance(removal: Rises, chance: Float[ndarray, "draws pictures"], seed: int = 0) -> Effect:
    """A removal's mean rise less that of random removals.

    The interval (95%) resamples pictures and random draws; and, since the removal was trained once, adds
    the deviation of a random draw from their mean: what one training differs from another by luck.
    Without two draws there is no interval.
    """
    value = float(removal.mean() - chance.mean())
    draws, pictures = chance.shape
    if draws < 2:
        return Effect(value, None, None)
    rng = np.random.default_rng(seed)
    luck = (chance - chance.mean(axis=0)) * np.sqrt(draws / (draws - 1))
    some = rng.integers(pictures, size=(RESAMPLES, pictures))
    which, lucky = rng.integers(draws, size=(RESAMPLES, draws)), rng.integers(draws, size=RESAMPLES)
    expected = chance[which[:, :, None], some[:, None, :]].mean(axis=(1, 2))
    found = (removal[some] + luck[lucky[:, None], some]).mean(axis=1) - expected
    spread = float(chance.mean(axis=1).std(ddof=1))
    return Effect(value, interval_of(found), value / spread if spread > 0 else None)


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
    series: Series, removal: Measured, chance: Sequence[Measured], role: str, outcome: str = "loss"
) -> Effect | None:
    """An outcome's effect on the targets or the controls; None where it was not measured."""
    rows = series.panel.rows(role)
    of = OUTCOMES[outcome]
    found, draws = of(series, removal), [of(series, each) for each in chance]
    known = [each[rows] for each in draws if each is not None]
    return None if found is None or not known else beyond_chance(found[rows], np.stack(known))


@dataclass(frozen=True)
class UnionLine:
    """What removing one union did to targets and controls, by outcome.

    Attributes:
        recognised: the share of the targets' objects that the judge names in the pictures made again.
        share: of the oracle's effect on the targets' loss, and its interval over targets; None where the
            oracle has none.
    """

    method: str
    k: int
    left_out: int
    targets: dict[str, Effect]
    controls: dict[str, Effect]
    recognised: float | None
    share: tuple[float, Interval] | None


def union_lines(series: Series) -> list[UnionLine]:
    """Every union that was removed, by K; where there is no reference or no random removal, none."""
    lines = []
    for k in series.values("k", "union"):
        chance = series.chance(int(k))
        if not chance or any(job.seed not in series.references for job, _ in chance):
            continue
        oracle = series.select(kind="union", method=ORACLE, k=k)
        for method in series.values("method", "union"):
            for removal in series.select(kind="union", method=method, k=k)[:1]:
                share = _share(series, removal, oracle[0], chance) if oracle else None
                lines.append(_line(series, removal, chance, share))
    return lines


def _share(
    series: Series, removal: Measured, oracle: Measured, chance: Sequence[Measured]
) -> tuple[float, Interval] | None:
    rows = series.panel.rows(TARGET)
    expected = np.mean([series.rises(each)[rows] for each in chance], axis=0)
    found, most = (series.rises(each)[rows] - expected for each in (removal, oracle))
    return None if most.mean() <= 0 else (float(found.mean() / most.mean()), ratio_interval(found, most))


def _line(
    series: Series, removal: Measured, chance: Sequence[Measured], share: tuple[float, Interval] | None
) -> UnionLine:
    job, record = removal
    targets, controls = (
        {name: e for name in OUTCOMES if (e := effect(series, removal, chance, role, name)) is not None}
        for role in (TARGET, CONTROL)
    )
    rows = series.panel.rows(TARGET)
    return UnionLine(
        str(job.labels["method"]), int(job.labels["k"]), job.left_out.count, targets, controls,
        recognised([record], series.panel, rows), share,
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
        chance, oracle = series.chance(int(k)), series.select(kind="union", method=ORACLE, k=k)
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
