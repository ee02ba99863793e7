"""The evidence at a glance: a table of all methods by all protocols, and what to bear in mind."""

from __future__ import annotations

from attribution.methods.base import DEFAULT
from evaluation.markdown import interval, percents, table
from evaluation.retraining.contrasts import boxed_lines
from evaluation.retraining.effects import UnionLine, union_lines
from evaluation.retraining.evidence import Evidence
from evaluation.retraining.lds import lds_lines
from evaluation.retraining.plans import CHANCE, ORACLE, ORACLE_ALL

BLANK = ""


def at_a_glance(evidence: Evidence) -> str:
    """Markdown: each method's figures, the largest effect first; empty before there are any."""
    series = evidence.main
    if series is None:
        return ""
    unions = [line for line in union_lines(series) if line.k and line.method not in (CHANCE, ORACLE_ALL)]
    lds = {line.method: line for line in lds_lines(series, evidence.scores_of_all(series.panel))}
    boxed = {line.method: line for line in boxed_lines(series)}
    ks = sorted({line.k for line in unions})
    by = {(line.method, line.k): line for line in unions}
    names = dict.fromkeys([*(line.method for line in unions), *lds, *boxed])
    if not names:
        return ""

    def effect(name: str) -> tuple[float, float]:
        """By the largest K that it was removed at; then by its score."""
        found = [by[name, k].targets["loss"].value for k in reversed(ks) if (name, k) in by]
        return (found[0] if found else -1.0, lds[name].score if name in lds else -1.0)

    rows = [
        (
            _called(name),
            *(_removal(by.get((name, k))) for k in ks),
            BLANK if name not in lds else f"{lds[name].score:.2f} {interval(lds[name].interval, 2)}",
            BLANK if name not in boxed else f"{boxed[name].contrast:+.1%} {percents(boxed[name].interval)}",
        )
        for name in sorted(names, key=effect, reverse=True)
    ]
    sizes = [f"without its {next(x.left_out for x in unions if x.k == k)}" for k in ks]
    return table(("method", *sizes, "LDS", "asked box less the other"), rows) + f"\n{_words()}"


def _words() -> str:
    return f"""\
*Without its N*: how much more the loss of the targets rises where the N images that a method names for
them are left out of training than where N random ones are. *LDS*: rank correlation between a method's
scores and the losses of models that were trained on random halves. *Asked box less the other*: the rise
inside the box that was asked about, less that inside the other object's. In brackets: 95% intervals, each
for one figure alone. `{DEFAULT}` is the default; *oracle*: images that show the same objects, by the
world's truth.
"""


def _called(name: str) -> str:
    return f"*{name}*" if name == ORACLE else f"`{name}`"


def _removal(line: UnionLine | None) -> str:
    if line is None:
        return BLANK
    found = line.targets["loss"]
    return f"{found.value:+.1%}" + ("" if found.interval is None else f" {percents(found.interval)}")
