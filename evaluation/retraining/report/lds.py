"""The linear datamodeling score (TRAK, Park et al. 2023, section 4) on models trained on random halves.

Per picture: Spearman between the sum of a method's scores over the images left out, and the picture's loss
under the model that was trained without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.stats import rankdata

from evaluation.retraining.attributions import Attributions
from evaluation.retraining.records import Record, stacked
from evaluation.retraining.report.effects import LEVEL, Interval, interval_of
from evaluation.retraining.report.evidence import Evidence, Measured, Series
from evaluation.statistics import by_standard_error, holm

RESAMPLES = 1_000
FEWEST = 5  # models, for anything to be said


@dataclass(frozen=True)
class Reliability:
    """How far measured losses can be repeated: rank correlations over models, means over pictures.

    Attributes:
        halves: between the means over the even and over the odd noises, for both halves together
            (Spearman-Brown): what the draws of the measurement leave uncertain.
        seeds: between trainings of two seeds on the same halves: what training itself leaves uncertain.
        ceiling: the score that the true influence would be expected to reach, the root of the smaller one.
    """

    halves: float
    seeds: float | None
    models: int
    again: int

    @property
    def ceiling(self) -> float:
        least = self.halves if self.seeds is None else min(self.halves, self.seeds)
        return float(np.sqrt(max(0.0, least)))


@dataclass(frozen=True)
class LdsLine:
    """A method's score, its mean over pictures; the interval resamples pictures and models.

    Attributes:
        own: the score where each model's losses are divided by their mean over the panel: what a model does
            to all pictures alike is no picture's own, and sums of any scores share it.
        behind: the interval of how far it is behind the best, on the same pictures and models; None for the
            best.
        p: that it is not behind, two-sided, corrected by Holm for all methods; None for the best.
        models: that it was measured on.
    """

    method: str
    score: float
    interval: Interval
    own: float
    behind: Interval | None
    p: float | None
    pictures: int
    models: int

    @property
    def clearly_behind(self) -> bool:
        """For all that were compared with the best at once."""
        return self.p is not None and self.p < 1 - LEVEL


def rank_correlations(
    one: Float[ndarray, "models pictures"], other: Float[ndarray, "models pictures"]
) -> Float[ndarray, " pictures"]:
    """Spearman over the models for each picture; ties share their rank; 0 where a side does not vary."""
    a, b = (rankdata(values, axis=0) for values in (one, other))
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    norm = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    found: Float[ndarray, " pictures"] = (a * b).sum(axis=0) / np.where(norm > 0, norm, 1.0)
    return found


def lds(
    scores: Float[ndarray, "pictures images"],
    left_out: Bool[ndarray, "models images"],
    losses: Float[ndarray, "models pictures"],
) -> Float[ndarray, " pictures"]:
    """The score of each picture: 1 for a method whose sums put the models' losses in order."""
    return rank_correlations(left_out.astype(np.float64) @ scores.T, losses)


def resampled(
    scores: Float[ndarray, "pictures images"],
    left_out: Bool[ndarray, "models images"],
    losses: Float[ndarray, "models pictures"],
    seed: int = 0,
) -> Float[ndarray, " resamples"]:
    """The mean score of resampled pictures and models: of one seed the same ones for every method."""
    sums = left_out.astype(np.float64) @ scores.T
    rng = np.random.default_rng(seed)
    models, pictures = losses.shape
    found = []
    for _ in range(RESAMPLES):
        m, p = rng.integers(models, size=models), rng.integers(pictures, size=pictures)
        found.append(rank_correlations(sums[np.ix_(m, p)], losses[np.ix_(m, p)]).mean())
    return np.array(found)


def scored(evidence: Evidence) -> list[LdsLine]:
    """The lines of what methods say under the reference, to be asked for by `Evidence.once`."""
    series = evidence.main
    return [] if series is None else lds_lines(series, evidence.scores_of_all(series.panel))


def lds_lines(series: Series, methods: Mapping[str, Attributions]) -> list[LdsLine]:
    """Each method that has a score of every training image for every picture."""
    models = on_halves(series)
    if len(models) < FEWEST:
        return []
    losses = stacked([record for _, record in models])
    keys = [f"{picture.name}-whole" for picture in series.panel.pictures]
    lines, draws = [], {}
    for name, each in methods.items():
        if not set(keys) <= set(each.questions):
            continue
        scores = np.stack([each.of(key) for key in keys])
        if not np.isfinite(scores).all():
            continue
        left_out = np.stack([job.left_out.mask(scores.shape[1]) for job, _ in models])
        value, own = (
            float(lds(scores, left_out, each).mean())
            for each in (losses, losses / losses.mean(axis=1, keepdims=True))
        )
        draws[name] = resampled(scores, left_out, losses)
        interval = interval_of(draws[name])
        lines.append(LdsLine(name, value, interval, own, None, None, len(keys), len(models)))
    lines.sort(key=lambda line: -line.score)
    behind = [draws[lines[0].method] - draws[line.method] for line in lines[1:]]
    apart = [lines[0].score - line.score for line in lines[1:]]
    corrected = holm([by_standard_error(*pair) for pair in zip(apart, behind, strict=True)])
    return lines[:1] + [
        replace(line, behind=interval_of(each), p=p)
        for line, each, p in zip(lines[1:], behind, corrected, strict=True)
    ]


def reliability(series: Series) -> Reliability | None:
    """How far the measured losses can be repeated; None before there are some models."""
    models = on_halves(series)
    if len(models) < FEWEST:
        return None
    even, odd = (
        np.stack([record.noise_losses()[:, first::2].mean(axis=1) for _, record in models])
        for first in (0, 1)
    )
    half = float(rank_correlations(even, odd).mean())
    pairs = _pairs(series)
    seeds = None
    if len(pairs) >= FEWEST:
        one, other = (stacked([pair[k] for pair in pairs]) for k in (0, 1))
        seeds = float(rank_correlations(one, other).mean())
    return Reliability(2 * half / (1 + half), seeds, len(models), len(pairs))


def on_halves(series: Series) -> list[Measured]:
    """The models on random halves, of the first seed."""
    return [(job, record) for job, record in series.select(kind="lds") if job.seed == 0]


def _pairs(series: Series) -> list[tuple[Record, Record]]:
    first = {job.labels["draw"]: record for job, record in on_halves(series)}
    again = [(job.labels["draw"], record) for job, record in series.select(kind="lds") if job.seed != 0]
    return [(first[draw], record) for draw, record in again if draw in first]
