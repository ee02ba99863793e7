"""The same training on two kinds of device: what rounding alone does to a figure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from evaluation.markdown import table
from evaluation.retraining.evidence import Evidence, Series, made_on
from evaluation.retraining.job import REFERENCE, Job
from evaluation.retraining.panel import TARGET
from evaluation.retraining.plans import CHANCE
from evaluation.retraining.records import Record
from evaluation.retraining.written import Written

WORDS = """\
Some trainings were made twice, on two kinds of device: initial weights, batches and noise are the same, \
and what differs is the order of sums.

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
    removals = [each for each in twice if each.job.kind != REFERENCE]
    plainly = f"{len(twice)} trainings were made again on another kind of device."
    if removals:
        means = [float(each.apart[targets].mean()) for each in removals]
        plainly += (
            f" Without {len(removals)} unions the targets' loss is {min(means):+.1%} to {max(means):+.1%} "
            "from what it was: rounding alone makes another training of it."
        )
        luck = _luck(series, removals[0].job)
        if luck is not None:
            plainly += f" Random unions of as many images spread by {luck:.1%}, which is luck of that kind."
    own = next((each for each in twice if each.job.kind == REFERENCE), None)
    if own is not None:
        plainly += (
            f" The reference, whose own pictures the panel's are, is {own.apart[targets].mean():+.1%} from "
            "itself: so much easier are pictures for the very training that made them, of which every "
            "removal of that seed is held against the same."
        )
    return Written(WORDS + table(header, rows), plainly)


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
