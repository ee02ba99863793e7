"""What the evidence says of single pictures: the loss against how many images are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from attribution.methods.base import DEFAULT
from evaluation.markdown import table
from evaluation.retraining.charts import Line, line_chart
from evaluation.retraining.evidence import Evidence, Series
from evaluation.retraining.panel import TARGET
from evaluation.retraining.plans import CHANCE
from evaluation.retraining.written import FOLDER, Written

WORDS = """\
One picture at a time: its first K images are left out, and its loss is held against that under the \
reference. *The other targets*: the mean rise of theirs at the largest K, where nothing was chosen for \
them. *chance*: as many random images. Each figure is of one training.
"""


@dataclass(frozen=True)
class Curve:
    """How a picture's loss rises over the reference's, by the number of images left out.

    Attributes:
        rises: of the picture itself, by K.
        others: the mean of the other targets', by K.
    """

    method: str
    rises: Mapping[int, float]
    others: Mapping[int, float]

    @property
    def last(self) -> int:
        return max(self.rises)


def curves_of(series: Series, picture: str) -> list[Curve]:
    """A picture's curves, by their last rise; chance comes last."""
    names = [each.name for each in series.panel.pictures]
    row = names.index(picture)
    rest = [target for target in series.panel.rows(TARGET) if target != row]
    curves = []
    for method in map(str, series.values("method", "single")):
        chosen_for = None if method == CHANCE else picture
        rises, others = dict[int, float](), dict[int, float]()
        for k in sorted(int(k) for k in series.values("k", "single")):
            found = series.select(kind="single", method=method, k=k, picture=chosen_for)
            if found and series.has_references(found):
                mean = np.stack([series.rises(each) for each in found]).mean(axis=0)
                rises[k], others[k] = float(mean[row]), float(mean[rest].mean())
        if rises:
            curves.append(Curve(method, rises, others))
    return sorted(curves, key=lambda curve: (curve.method == CHANCE, -curve.rises[curve.last]))


def singles(evidence: Evidence) -> Written | None:
    series = evidence.main
    asked = [] if series is None else [str(name) for name in series.values("picture", "single")]
    if series is None or not asked:
        return None
    curves_by = {picture: curves for picture in asked if (curves := curves_of(series, picture))}
    if not curves_by:
        return None
    prompts = {each.name: each.prompt for each in series.panel.pictures}
    parts, charts, furthest = [WORDS], {}, 0
    for picture, curves in curves_by.items():
        ks = sorted({k for curve in curves for k in curve.rises})
        furthest = max(furthest, *ks)
        rows = [
            (
                f"`{curve.method}`" if curve.method != CHANCE else f"*{CHANCE}*",
                *(f"{curve.rises[k]:+.1%}" if k in curve.rises else "" for k in ks),
                f"{curve.others[curve.last]:+.1%}",
            )
            for curve in curves
        ]
        header = ("without the first", *(f"{k}" for k in ks), "the other targets")
        lines = [Line(curve.method, [(0, 0.0), *curve.rises.items()]) for curve in curves]
        name = f"single-{picture}.svg"
        charts[name] = line_chart(lines, "images left out", "rise of the picture's loss")
        chart = f"![Loss of {picture} against K]({FOLDER}/{name})"
        parts.append(f"`{picture}`, *{prompts[picture]}*:\n\n{table(header, rows)}\n{chart}\n")
    plural = "picture was" if len(curves_by) == 1 else "pictures were"
    plainly = f"{len(curves_by)} {plural} retrained for alone, without up to {furthest} images."
    last = [{each.method: each.rises[each.last] for each in curves} for curves in curves_by.values()]
    if all({DEFAULT, CHANCE} <= found.keys() for found in last):
        named, random = (float(np.mean([found[name] for found in last])) for name in (DEFAULT, CHANCE))
        plainly += (
            f" The loss rises by {named:+.1%} without what `{DEFAULT}` names, by {random:+.1%} by chance."
        )
    return Written("\n".join(parts), plainly, charts)
