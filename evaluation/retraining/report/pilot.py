"""The pilot: which recipe, K, number of targets and outcome has most signal for its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.markdown import table
from evaluation.retraining.panel import CONTROL, TARGET
from evaluation.retraining.plans import ORACLE
from evaluation.retraining.records import cpu_minutes
from evaluation.retraining.report.effects import OUTCOMES
from evaluation.retraining.report.evidence import Evidence, Series
from evaluation.retraining.report.objects import recognised
from evaluation.retraining.report.protocols import protocols
from evaluation.retraining.report.written import Written

PILOT_WORDS = """\
*Effect*: of removing the oracle's union (scenes with the targets' objects), less the mean of random \
unions of the same size; that of the loss is relative. *Luck*: the standard deviation between random \
unions. *Signal* is their ratio. Minutes are of training, on one thread.

"""


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


def pilot(evidence: Evidence) -> Written | None:
    lines = [line for series in evidence.pilots for line in pilot_lines(series)]
    if not lines:
        return protocols(evidence)
    rows = []
    for line in sorted(lines, key=lambda line: -(line.efficiency or line.signal)):
        minutes = "" if line.minutes is None else f"{line.minutes:.1f}"
        per_minute = "" if line.efficiency is None else f"{line.efficiency:.2f}"
        rows.append(
            (line.recipe, line.outcome, str(line.k), str(line.targets), f"{line.effect:+.4f}",
             f"{line.luck:.4f}", f"{line.signal:.1f}", minutes, per_minute)
        )  # fmt: skip
    header = ("recipe", "outcome", "K", "targets", "effect", "luck", "signal", "CPU min", "signal² / min")
    seen = []
    for series in evidence.pilots:
        records = list(series.references.values())
        every = [*series.panel.rows(TARGET), *series.panel.rows(CONTROL)]
        share, spread = recognised(records, series.panel, every), seed_spread(series)
        seen.append(
            (series.recipe, str(len(records)), "no judge" if share is None else f"{share:.3f}",
             "" if spread is None else f"{spread:.1%}")
        )  # fmt: skip
    best = max(lines, key=lambda line: line.efficiency or line.signal)
    plainly = (
        f"Most signal for the time had {best.recipe}: {best.outcome}, K = {best.k}, {best.targets} targets."
    )
    judged = table(("recipe", "references", "objects recognised", "seeds' spread of the loss"), seen)
    return Written(f"{PILOT_WORDS}{table(header, rows)}\n{judged}", plainly)
