"""The evidence at a glance: a table of all methods by all protocols, and what to bear in mind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from textwrap import fill

from attribution.methods.base import DEFAULT
from evaluation.markdown import interval, table
from evaluation.retraining.panel import TARGET
from evaluation.retraining.plans import CHANCE
from evaluation.retraining.report.contrasts import boxed_lines
from evaluation.retraining.report.effects import UnionLine, removed
from evaluation.retraining.report.evidence import Evidence, Series
from evaluation.retraining.report.lds import LdsLine, scored
from evaluation.retraining.report.written import called, listed, percent, seeds

WIDTH = 118


def at_a_glance(evidence: Evidence) -> str:
    """Markdown: each method's figures, the largest effect first; empty before there are any."""
    series = evidence.main
    if series is None:
        return ""
    unions = [line for line in evidence.once(removed) if line.k and line.method != CHANCE]
    lds = {line.method: line for line in evidence.once(scored)}
    boxed = {line.method: line for line in reversed(boxed_lines(series))}  # of the first K
    by = {(line.method, line.k): line for line in unions}
    ks = sorted({line.k for line in unions})
    names = dict.fromkeys([*(line.method for line in unions), *lds, *boxed])
    if not names:
        return ""

    def order(name: str) -> tuple[float, float]:
        """By the effect of the largest K that it was removed at; then by its score."""
        found = [by[name, k].targets["loss"].value for k in reversed(ks) if (name, k) in by]
        return (found[0] if found else -1.0, lds[name].score if name in lds else -1.0)

    columns: list[tuple[str, Callable[[str], str]]] = [
        (f"without its {next(x.left_out for x in unions if x.k == k)}", partial(_removal, by, k))
        for k in ks
    ]
    if lds:
        columns.append(("LDS", lambda name: _score(lds.get(name))))
    if boxed:
        columns.append(("asked box less the other", lambda n: boxed[n].words if n in boxed else ""))
    rows = [
        (called(name), *(cell(name) for _, cell in columns))
        for name in sorted(names, key=order, reverse=True)
    ]
    header = ("method", *(title for title, _ in columns))
    return table(header, rows) + f"\n{_words(evidence, series, unions, ks)}"


def _removal(by: Mapping[tuple[str, int], UnionLine], k: int, name: str) -> str:
    return percent(by[name, k].targets["loss"]) if (name, k) in by else ""


def _score(line: LdsLine | None) -> str:
    return "" if line is None else f"{line.score:.2f} {interval(line.interval, 2)}"


def _words(evidence: Evidence, series: Series, unions: Sequence[UnionLine], ks: Sequence[int]) -> str:
    targets = len(series.panel.rows(TARGET))
    said = evidence.scores_of_all(series.panel).values()
    images = next((each.scores.shape[1] for each in said), None)
    told = [_trained([line for line in unions if line.k == k], images) for k in ks]
    words = f"""\
*Without its N*: how much more the loss of {targets} generated pictures, the targets, rises where N images
are left out of training, the first that a method names for each of them, than where N random ones are.
{" ".join(told)} *LDS*: rank correlation between a method's scores and the losses of models that were
trained on random halves; what knows nothing (`random`) is not at zero there, since some halves make a
better model than others. *Asked box less the other*: the rise inside the box that was asked about, less
that inside the other object's. In brackets: 95% intervals, each for one figure alone; nothing stands where
nothing was measured. `{DEFAULT}` is the default; *oracle*: images that show the same objects, by the
world's truth."""
    return fill(words, WIDTH, break_long_words=False, break_on_hyphens=False) + "\n"


def _trained(lines: Sequence[UnionLine], images: int | None) -> str:
    """How many images of one K are how much, and from how many seeds each was trained."""
    size, most = lines[0].left_out, max(line.trainings for line in lines)
    few = [line.method for line in lines if line.trainings < most]
    share = "" if images is None else f", {size / images:.0%} of all,"
    rest = f", of {listed(few)} from fewer" if few else ""
    return f"{size}{share} are the first {lines[0].k} of each, trained from {seeds(most)}{rest}."
