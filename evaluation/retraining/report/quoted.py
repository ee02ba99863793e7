"""The figures of the evidence that are quoted beside answers: a workspace's `evidence.json`."""

from __future__ import annotations

from collections.abc import Sequence

from attribution.analysis.evidence import FORMAT, Estimate, MethodEvidence
from attribution.analysis.evidence import Evidence as Quoted
from evaluation.retraining.panel import TARGET
from evaluation.retraining.plans import YARDSTICKS
from evaluation.retraining.report.contrasts import agreement_lines, boxed_lines
from evaluation.retraining.report.effects import Effect, Interval, UnionLine, removed
from evaluation.retraining.report.evidence import REFERENCE_WORKSPACE, SHIPPED_WORKSPACE, Evidence
from evaluation.retraining.report.lds import scored


def quoted(evidence: Evidence) -> Quoted | None:
    """What the committed records say of each method; None before there are any.

    It is of the reference, and of the shipped model as far as a method names the same images under both.
    """
    series = evidence.main
    if series is None or not series.jobs:
        return None
    lines = evidence.once(removed)
    k = _usual_k(lines)
    removals = {line.method: line for line in lines if line.k == k}
    boxed = {line.method: line for line in boxed_lines(series) if line.k == k}
    lds = {line.method: line for line in evidence.once(scored)}
    agreement = {
        line.method: line
        for line in agreement_lines(
            *(
                evidence.attributions(name, series.panel)
                for name in (REFERENCE_WORKSPACE, SHIPPED_WORKSPACE)
            )
        )
    }
    methods = {}
    for name in sorted({*removals, *boxed, *lds} - {*YARDSTICKS}):
        removal, box, datamodel = removals.get(name), boxed.get(name), lds.get(name)
        methods[name] = MethodEvidence(
            removal=_of(removal.targets["loss"]) if removal else None,
            share=_estimate(*removal.share) if removal and removal.share else None,
            controls=_of(removal.controls["loss"]) if removal else None,
            boxed=_estimate(box.contrast, box.interval) if box and box.interval and not box.same else None,
            lds=_estimate(datamodel.score, datamodel.interval) if datamodel else None,
            same=round(agreement[name].recall, 6) if name in agreement else None,
        )
    facts, models = series.panel.facts, {series.panel.facts.model}
    for name in (REFERENCE_WORKSPACE, SHIPPED_WORKSPACE):
        models |= {each.model for each in evidence.attributions(name, series.panel).values()}
    targets = len(series.panel.rows(TARGET))
    return Quoted(FORMAT, facts.training_set, tuple(sorted(models)), series.recipe, targets, k, methods)


def _usual_k(lines: Sequence[UnionLine]) -> int:
    """The K of which most unions were removed; the smallest of those."""
    counts: dict[int, int] = {}
    for line in lines:
        if line.k:
            counts[line.k] = counts.get(line.k, 0) + 1
    return min(counts, key=lambda k: (-counts[k], k), default=0)


def _of(effect: Effect) -> Estimate | None:
    return None if effect.interval is None else _estimate(effect.value, effect.interval)


def _estimate(value: float, interval: Interval) -> Estimate:
    return Estimate(*(round(number, 6) for number in (value, *interval)))
