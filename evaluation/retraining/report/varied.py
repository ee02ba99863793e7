"""The choices within unlearning, made on one half of the pictures and held against the other half."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evaluation.markdown import interval, table
from evaluation.retraining.attributions import Attributions
from evaluation.retraining.panel import HALVES
from evaluation.retraining.records import stacked
from evaluation.retraining.report.effects import LEVEL, Interval, interval_of
from evaluation.retraining.report.evidence import Evidence, Series
from evaluation.retraining.report.lds import FEWEST, lds, on_halves, resampled
from evaluation.retraining.report.written import Written
from evaluation.retraining.varying import RELATIVE
from evaluation.score_variants import DEFAULT
from evaluation.statistics import by_standard_error, holm

USUAL = f"{DEFAULT.name}, {RELATIVE}"
CHOSEN_ON, HELD_ON = HALVES.values()
WORDS = """\
Each line differs from the default (EK-FAC, damping 0.1, one step, a rise of 10%, in the loss of training) \
in what its name says, and in what is measured of each training image: how far predictions move, that as a \
share of its loss, or the rise of its loss, at a few draws an image. The linear datamodeling score of \
each on the pictures of even number, by which one would choose, and on those of odd number, on which the \
choice is reported. *p*: that there is no difference from the default there, corrected (Holm) for all lines.

"""


@dataclass(frozen=True)
class VariedLine:
    """One way of scoring.

    Attributes:
        chosen_on, held_on: its score on the half that a choice is made on, and on the other one.
        ahead: how far it is ahead of the default on the latter, with an interval over pictures and models;
            None of the default.
        p: that there is no difference; None of the default.
    """

    name: str
    chosen_on: float
    held_on: float
    ahead: tuple[float, Interval] | None
    p: float | None


def varied_lines(series: Series, found: Mapping[str, Attributions]) -> list[VariedLine]:
    """Each way that scored every image for every picture, the best to choose first."""
    models = on_halves(series)
    keys = [f"{picture.name}-whole" for picture in series.panel.pictures]
    by = {each.method: each for each in found.values() if set(keys) <= set(each.questions)}
    if len(models) < FEWEST or USUAL not in by:
        return []
    losses = stacked([record for _, record in models])
    left_out = np.stack([job.left_out.mask(by[USUAL].scores.shape[1]) for job, _ in models])
    scores = {name: np.stack([each.of(key) for key in keys]) for name, each in by.items()}
    scores = {name: each for name, each in scores.items() if np.isfinite(each).all()}
    if USUAL not in scores:
        return []
    values = {name: lds(each, left_out, losses) for name, each in scores.items()}
    draws = {name: resampled(each[HELD_ON], left_out, losses[:, HELD_ON]) for name, each in scores.items()}
    usual = float(values[USUAL][HELD_ON].mean())
    others = [name for name in scores if name != USUAL]
    ahead = {name: float(values[name][HELD_ON].mean()) - usual for name in others}
    apart = {name: draws[name] - draws[USUAL] for name in others}
    corrected = dict(
        zip(others, holm([by_standard_error(ahead[n], apart[n]) for n in others]), strict=True)
    )
    lines = [
        VariedLine(
            name,
            float(each[CHOSEN_ON].mean()),
            float(each[HELD_ON].mean()),
            (ahead[name], interval_of(apart[name])) if name in ahead else None,
            corrected.get(name),
        )
        for name, each in values.items()
    ]
    return sorted(lines, key=lambda line: -line.chosen_on)


def varied(evidence: Evidence) -> Written | None:
    """What retraining says of the choices."""
    series = evidence.main
    found = {} if series is None else evidence.variants(series.panel)
    lines = [] if series is None else varied_lines(series, found)
    if len(lines) < 2:
        return None
    rows = [
        (x.name, f"{x.chosen_on:.3f}", f"{x.held_on:.3f}",
         "" if x.ahead is None else f"{x.ahead[0]:+.3f} {interval(x.ahead[1])}",
         "" if x.p is None else f"{x.p:.3f}")
        for x in lines
    ]  # fmt: skip
    header = ("way of scoring", "LDS, even", "LDS, odd", "ahead of the default there", "p")
    best, usual = lines[0], next(line for line in lines if line.name == USUAL)
    place = 1 + sorted(lines, key=lambda line: -line.held_on).index(best)
    clear = [x for x in lines if x.ahead and x.p is not None and x.p < 1 - LEVEL]
    before, behind = ([x.name for x in clear if x.ahead and (x.ahead[0] > 0) is up] for up in (True, False))
    plainly = (
        f"Of {len(lines)} ways of scoring by unlearning, the best on one half of the pictures "
        f"({best.name}) is number {place} on the other, where it has {best.held_on:.2f} and the default "
        f"{usual.held_on:.2f}. There {_some(before)} clearly ahead of the default, and {_some(behind)} "
        "clearly behind it."
    )
    return Written(WORDS + table(header, rows), plainly)


def _some(names: list[str]) -> str:
    if not names:
        return "none is"
    return f"{'; '.join(names)} {'is' if len(names) == 1 else 'are'}"
