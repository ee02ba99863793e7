"""The best method of one half of the targets, held against the other half: is the choice luck?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from attribution.methods.base import DEFAULT
from evaluation.markdown import table
from evaluation.retraining.panel import HALVES, TARGET
from evaluation.retraining.plans import YARDSTICKS
from evaluation.retraining.report.effects import removals_of, trained
from evaluation.retraining.report.evidence import Evidence, Series
from evaluation.retraining.report.written import Written, called

WORDS = f"""\
Whoever compares methods on some targets and then reports the best one's figure on the same targets \
flatters it. Here a method is chosen by its effect on the targets of even number and reported on those \
of odd number, and the other way round; beside it `{DEFAULT}`, the default. The trainings are the same \
for both halves, so that their luck is not left out, and each half is of a few pictures, too few for an \
interval.

"""


@dataclass(frozen=True)
class Held:
    """A method's effect on one half of the targets, which the other half chose; or the default's.

    Attributes:
        chosen_on, held_on: which halves.
        first: its effect on the half that it was chosen on.
        effect: that on the other half.
        place: among all `methods` on the half that it is held on; 1 is the largest effect.
    """

    k: int
    method: str
    chosen_on: str
    held_on: str
    first: float
    effect: float
    place: int
    methods: int


def held_out(series: Series, k: int) -> list[Held]:
    """The best of each half, and the default, by the other half; none where fewer than two were removed."""
    removed = {
        str(method): found
        for method in series.values("method", "union")
        if method not in YARDSTICKS and (found := removals_of(series, str(method), k))
    }
    if len(removed) < 2 or len(series.panel.rows(TARGET)) < 2:
        return []
    every = {method: trained(series, found, TARGET) for method, found in removed.items()}
    effects = {
        half: {m: float(np.mean([x.beyond[rows].mean() for x in found])) for m, found in every.items()}
        for half, rows in HALVES.items()
    }
    return chosen(k, effects)


def chosen(k: int, effects: Mapping[str, Mapping[str, float]]) -> list[Held]:
    """Who is best on one half, and the default, with what becomes of them on the other.

    Args:
        effects: by half, each method's effect there.
    """
    lines = []
    for chosen_on, held_on in zip(HALVES, reversed(HALVES), strict=True):
        there, here = effects[chosen_on], effects[held_on]
        order = sorted(here, key=lambda method: -here[method])
        best = max(there, key=lambda method: there[method])
        for method in dict.fromkeys([best, *([DEFAULT] if DEFAULT in there else [])]):
            place = 1 + order.index(method)
            lines.append(
                Held(k, method, chosen_on, held_on, there[method], here[method], place, len(order))
            )
    return lines


def halves(evidence: Evidence) -> Written | None:
    """What is chosen on one half, K by K, and what becomes of it on the other."""
    series = evidence.main
    if series is None:
        return None
    lines = [line for k in series.values("k", "union") if k for line in held_out(series, int(k))]
    if not lines:
        return None
    rows = [
        (str(x.k), x.chosen_on, called(x.method), f"{x.first:+.1%}", f"{x.effect:+.1%}",
         f"{x.place} of {x.methods}")
        for x in lines
    ]  # fmt: skip
    header = ("K", "chosen on", "method", "effect there", "effect on the other half", "its place there")
    best = {(x.k, x.chosen_on): x for x in reversed(lines)}  # who was chosen stands before the default
    own = [x for x in lines if x.method == DEFAULT]
    plainly = f"What is best on one half of the targets is {_places([*best.values()][::-1])} on the other"
    plainly += f"; the default is {_places(own)}." if own else "."
    return Written(WORDS + table(header, rows), plainly)


def _places(lines: Sequence[Held]) -> str:
    ks = dict.fromkeys(line.k for line in lines)
    told = [
        f"number {' and '.join(str(x.place) for x in lines if x.k == k)} of "
        f"{max(x.methods for x in lines if x.k == k)} at K = {k}"
        for k in ks
    ]
    return ", ".join(told)
