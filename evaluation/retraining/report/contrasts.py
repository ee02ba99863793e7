"""Boxed questions, and how far two workspaces agree: what their tables are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from attribution.methods.base import Cost, methods
from evaluation.markdown import percent
from evaluation.retraining.attributions import Attributions
from evaluation.retraining.panel import TARGET
from evaluation.retraining.plans import SIDES
from evaluation.retraining.report.effects import RESAMPLES, Interval, Trained, interval_of
from evaluation.retraining.report.evidence import Measured, Series
from evaluation.retraining.report.objects import named
from evaluation.statistics import mean_interval, recall_at, spearman

RECALLED = 50


@dataclass(frozen=True)
class BoxedLine:
    """What removing the images of one boxed object did to that object and to the other one.

    Attributes:
        asked, other: mean rises, beyond chance, of the losses inside the asked and inside the other box.
        contrast: their difference.
        interval: resamples pictures, each the mean of its two sides, and adds to each training the
            deviation of a random one: what one training differs from another by luck. None with fewer than
            two random ones.
        same: the method names the same images for both sides, so that there is no difference.
        gone: how much more of the asked objects than of the other ones the judge names no more on either
            side; None without a judge.
    """

    method: str
    k: int
    asked: float
    other: float
    contrast: float
    interval: Interval | None
    same: bool
    gone: float | None
    gone_interval: Interval | None

    @property
    def words(self) -> str:
        """The difference, or that there can be none."""
        if self.same:
            return "the same images"
        return percent(self.contrast, self.interval)

    @property
    def verdict(self) -> str:
        """Whether it is the asked object that is hurt."""
        if self.same:
            return "the same images for both"
        low, high = self.interval or (0.0, 0.0)
        return "selective" if low > 0 else "the other object more" if high < 0 else "not told apart"


def boxed_lines(series: Series) -> list[BoxedLine]:
    """Each method and K for which both sides are recorded."""
    lines = []
    for k in series.values("k", "boxed"):
        chance = series.chance(int(k))
        for method in series.values("method", "boxed"):
            found = {s: series.select(kind="boxed", method=method, k=k, side=s) for s in SIDES}
            removals = {side: removal[0] for side, removal in found.items() if removal}
            if len(removals) < len(SIDES) or not chance:
                continue
            if series.has_references([*chance, *removals.values()]):
                lines.append(_boxed(series, str(method), int(k), removals, chance))
    return lines


def _boxed(
    series: Series, method: str, k: int, removals: Mapping[str, Measured], chance: list[Measured]
) -> BoxedLine:
    rows = series.panel.rows(TARGET)
    random = {side: np.stack([series.rises(each, side)[rows] for each in chance]) for side in SIDES}
    rises = {
        (removed, region): series.rises(removal, region)[rows] - random[region].mean(axis=0)
        for removed, removal in removals.items()
        for region in SIDES
    }
    asked = (rises["left", "left"] + rises["right", "right"]) / 2
    other = (rises["left", "right"] + rises["right", "left"]) / 2
    gone = _gone(series, removals, rows)
    varies = gone is not None and np.ptp(gone) > 0
    return BoxedLine(
        method, k, float(asked.mean()), float(other.mean()), float((asked - other).mean()),
        contrast_interval(asked - other, random["left"] - random["right"]),
        len({record.key for _, record in removals.values()}) == 1,
        None if gone is None else float(gone.mean()),
        mean_interval(gone) if gone is not None and varies else None,
    )  # fmt: skip


def contrast_interval(
    contrasts: Float[ndarray, " pictures"], random: Float[ndarray, "draws pictures"], seed: int = 0
) -> Interval | None:
    """The interval of a mean contrast of two trainings, one a side.

    Args:
        random: how much more the loss inside the left box rises than inside the right one, without random
            images: their deviations stand for the luck of either training.
    """
    draws, pictures = random.shape
    if draws < 2:
        return None
    rng = np.random.default_rng(seed)
    some = rng.integers(pictures, size=(RESAMPLES, pictures))
    left, right = rng.integers(draws, size=(2, RESAMPLES, 1))
    luck = Trained(contrasts, random).luck
    return interval_of((contrasts[some] + (luck[left, some] - luck[right, some]) / 2).mean(axis=1))


def _gone(
    series: Series, removals: Mapping[str, Measured], rows: list[int]
) -> Float[ndarray, " targets"] | None:
    """Per picture, how much oftener the asked object is gone than the other one; the mean of both sides.

    What any removal does to the objects of one side is in both questions, with opposite signs.
    """
    total = np.zeros(len(rows))
    for removed, (job, record) in removals.items():
        before, after = (named(each, series.panel) for each in (series.references[job.seed], record))
        if before is None or after is None:
            return None
        for n, side in enumerate(SIDES):
            gone = before[rows, n].astype(float) - after[rows, n]
            total += (gone if side == removed else -gone) / len(SIDES)
    return total


def reads_model(name: str) -> bool:
    """Whether a method reads the diffusion model, and not likeness or captions alone."""
    return methods()[name].cost > Cost.LOOKUP


@dataclass(frozen=True)
class AgreementLine:
    """How far a method says the same under two workspaces; means over the panel's pictures.

    Attributes:
        images: how many were scored under both, of which the rank correlation is.
        reads_model: whether it reads the diffusion model; what does not says the same under any.
    """

    method: str
    spearman: float
    interval: Interval
    recall: float
    images: float
    reads_model: bool


def agreement_lines(
    one: Mapping[str, Attributions], other: Mapping[str, Attributions]
) -> list[AgreementLine]:
    """Of every method that was asked under both."""
    lines = []
    for name in (name for name in one if name in other):
        a, b = one[name], other[name]
        keys = [key for key in a.questions if key in b.questions and key.endswith("-whole")]
        if not keys:
            continue
        agree = np.array([spearman(a.of(key), b.of(key)) for key in keys])
        first = [recall_at(RECALLED, a.ranking(key).tolist(), b.ranking(key).tolist()) for key in keys]
        both = [int((np.isfinite(a.of(key)) & np.isfinite(b.of(key))).sum()) for key in keys]
        lines.append(
            AgreementLine(
                name,
                float(agree.mean()),
                mean_interval(agree),
                float(np.mean(first)),
                float(np.mean(both)),
                name not in methods() or reads_model(name),
            )
        )
    return sorted(lines, key=lambda line: -line.spearman)
