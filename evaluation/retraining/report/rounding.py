"""The same training on two kinds of device: what rounding alone does to a figure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from evaluation.markdown import table
from evaluation.retraining.job import REFERENCE, Job
from evaluation.retraining.panel import TARGET
from evaluation.retraining.plans import CHANCE
from evaluation.retraining.records import Record
from evaluation.retraining.report.evidence import Evidence, Series, made_on
from evaluation.retraining.report.written import Written

WORDS = """\
Some trainings were made twice, on two kinds of device: initial weights, batches and noise are the same; \
the device, the version of torch, the order of sums and how convolutions round are not.

"""


@dataclass(frozen=True)
class Twice:
    """One training on two devices.

    Attributes:
        apart: each picture's loss by the second one over that by the first, less 1.
    """

    job: Job
    first: Record
    second: Record

    @property
    def apart(self) -> Float[ndarray, " pictures"]:
        found: Float[ndarray, " pictures"] = self.second.mean_losses() / self.first.mean_losses() - 1
        return found


def trained_twice(evidence: Evidence) -> list[Twice]:
    """What `plan rounding` asked for and another plan has of another device."""
    others = {
        plan.training_key(job): record
        for plan in evidence.main_plans
        for job, record in evidence.records.of(plan)
    }
    found = []
    for plan in evidence.rounding_plans:
        for job, record in evidence.records.of(plan):
            other = others.get(plan.training_key(job))
            if other is not None and made_on(other) != made_on(record):
                found.append(Twice(job, other, record))
    return found


def rounding(evidence: Evidence) -> Written | None:
    """Each training that was made twice, and how far its losses are apart."""
    series, twice = evidence.main, trained_twice(evidence)
    if series is None or not twice:
        return None
    targets = series.panel.rows(TARGET)
    rows = [
        (_name(each.job), made_on(each.first), made_on(each.second), f"{each.apart[targets].mean():+.1%}",
         f"{each.apart.mean():+.1%}", f"{each.apart.std(ddof=1):.1%}")
        for each in twice
    ]  # fmt: skip
    header = ("without", "first", "again", "targets' loss", "all pictures' loss", "spread of pictures")
    plainly = f"{len(twice)} trainings were made again on another kind of device."
    removals = [each for each in twice if each.job.kind != REFERENCE]
    if removals:
        means = np.array([each.apart[targets].mean() for each in removals])
        own, luck = float(np.sqrt(np.square(means).mean() / 2)), _luck(series, removals[0].job)
        plainly += (
            f" Of {len(removals)} unions the targets' loss differs by {means.min():+.1%} to "
            f"{means.max():+.1%}, which is {own:.1%} for one training"
        )
        plainly += "." if luck is None else f"; random unions of one seed spread by {luck:.1%}."
    whole = next((each for each in twice if each.job.kind == REFERENCE), None)
    if whole is not None:
        differs = f"{whole.apart[targets].mean():+.1%}"
        plainly += f" The reference's differs by {differs}{_others(series, whole)}"
    return Written(WORDS + table(header, rows), plainly)


def _others(series: Series, whole: Twice) -> str:
    """How far references of other seeds are from the one whose pictures the panel's are."""
    rows = series.panel.rows(TARGET)
    first = whole.first.mean_losses()[rows].mean()
    apart = [
        f"{record.mean_losses()[rows].mean() / first - 1:+.1%}"
        for seed, record in sorted(series.references.items())
        if seed != whole.job.seed
    ]
    if not apart:
        return "."
    return (
        f", and those of other seeds by {' and '.join(apart)}: pictures are easiest for the training that "
        "made them."
    )


def _luck(series: Series, job: Job) -> float | None:
    """The relative spread of the targets' mean loss between random unions of a job's size and seed."""
    rows = series.panel.rows(TARGET)
    draws = series.chance(int(job.labels["k"]), seed=job.seed)
    means = [record.mean_losses()[rows].mean() for _, record in draws]
    return float(np.std(means, ddof=1) / np.mean(means)) if len(means) > 1 else None


def _name(job: Job) -> str:
    if job.kind == REFERENCE:
        return "*nothing*"
    if job.labels["method"] == CHANCE:
        return f"{job.left_out.count} at random, draw {job.labels['draw']}"
    return f"{job.left_out.count} by `{job.labels['method']}`"
