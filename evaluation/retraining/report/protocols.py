"""Which way of testing says most for its time: what the records show of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evaluation.markdown import table
from evaluation.retraining.plans import YARDSTICKS
from evaluation.retraining.report.effects import Interval, removals_of, removed
from evaluation.retraining.report.evidence import Evidence, Series
from evaluation.retraining.report.lds import scored
from evaluation.retraining.report.written import Written, listed

WIDTH = 2 * 1.959964  # of a 95% interval, in standard errors
NEARLY = 1.25  # times as much, up to which it is said to be about as much
WORDS = """\
*Signal*: a figure over its standard error, which is taken from its interval; the median of the methods \
that all of these protocols were asked about ({methods}). *Signal² a model*: the sum of theirs over all \
models that it took, those of chance and the reference among them. A model costs the same everywhere; the \
unions are of the 8 targets, the score is of all pictures of the panel. Neither ratio has an interval.

"""


@dataclass(frozen=True)
class Figure:
    """What a protocol says of a method."""

    value: float
    interval: Interval

    @property
    def signal(self) -> float:
        return self.value / ((self.interval[1] - self.interval[0]) / WIDTH)


@dataclass(frozen=True)
class Protocol:
    """A way of testing.

    Attributes:
        shared: how many models were trained for all methods together: references, chance or halves.
        removals: how many for one method alone, by method; empty where none are.
        figures: by method.
    """

    name: str
    shared: int
    removals: Mapping[str, int]
    figures: Mapping[str, Figure]

    def models(self, methods: list[str]) -> int:
        """How many it took for some methods."""
        return self.shared + sum(self.removals.get(name, 0) for name in methods)

    def efficiency(self, methods: list[str]) -> float:
        return float(sum(self.figures[name].signal ** 2 for name in methods)) / self.models(methods)


def protocols(evidence: Evidence) -> Written | None:
    """What the tests of whole pictures that are recorded say for the models they took."""
    found = [] if evidence.main is None else _measured(evidence, evidence.main)
    if len(found) < 2:
        return None
    common = [name for name in found[0].figures if all(name in each.figures for each in found)]
    if not common:
        return None
    found = sorted(found, key=lambda each: -each.efficiency(common))
    rows = [
        (each.name, str(each.models(common)), f"{np.median([each.figures[m].signal for m in common]):.1f}",
         f"{each.efficiency(common):.2f}")
        for each in found
    ]  # fmt: skip
    text = WORDS.format(methods=listed(common))
    text += table(("protocol", "models", "signal", "signal² a model"), rows)
    best, next_best = (each.efficiency(common) for each in found[:2])
    times = f"{best / next_best:.1f} times" if best / next_best > NEARLY else "about"
    plainly = (
        f"Of the protocols that were measured, {found[0].name} says {times} as much a model as "
        f"{found[1].name}."
    )
    return Written(text, plainly)


def _measured(evidence: Evidence, series: Series) -> list[Protocol]:
    lines = [x for x in evidence.once(removed) if x.k and x.method not in YARDSTICKS]
    found = []
    for k in dict.fromkeys(line.k for line in lines):
        figures = {
            x.method: Figure(x.targets["loss"].value, x.targets["loss"].interval)
            for x in lines
            if x.k == k and x.targets["loss"].interval is not None
        }
        removals = {name: removals_of(series, name, k) for name in figures}
        seeds = {seed: series.comparable(k)[seed] for each in removals.values() for seed in each}
        shared = len(seeds) + sum(len(draws) for draws in seeds.values())
        trainings = {name: len(each) for name, each in removals.items()}
        found.append(Protocol(f"the union of K = {k}", shared, trainings, figures))
    halves = evidence.once(scored)
    if halves:
        figures = {x.method: Figure(x.score, x.interval) for x in halves}
        found.append(Protocol("the linear datamodeling score", halves[0].models, {}, figures))
    return [each for each in found if each.figures]
