"""What the evidence says of single pictures: the loss against how many images are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from attribution.methods.base import DEFAULT
from evaluation.markdown import table
from evaluation.retraining.panel import TARGET
from evaluation.retraining.plans import CHANCE
from evaluation.retraining.report.charts import Line, line_chart
from evaluation.retraining.report.evidence import Evidence, Series
from evaluation.retraining.report.written import FOLDER, Written, called

WORDS = """\
One picture at a time: its first K images are left out, and its loss is held against that under the \
reference. In brackets the other targets' rise in the same training, mean and standard deviation: what \
luck makes of a picture for which nothing was chosen. *chance*: as many random images. Each cell is of one \
training.
"""


@dataclass(frozen=True)
class Curve:
    """How a picture's loss rises over the reference's, by the number of images left out.

    Attributes:
        rises: of the picture itself, by K.
        others: mean and standard deviation of the other targets' rises, by K; of one target, 0.
    """

    method: str
    rises: Mapping[int, float]
    others: Mapping[int, tuple[float, float]]

    @property
    def last(self) -> int:
        return max(self.rises)

    def cell(self, k: int) -> str:
        """What is said of one K; nothing where it was not measured."""
        if k not in self.rises:
            return ""
        mean, spread = self.others[k]
        return f"{self.rises[k]:+.1%} ({mean:+.1%} ± {spread:.1%})"


def curves_of(series: Series, picture: str) -> list[Curve]:
    """A picture's curves, by their last rise; chance comes last."""
    names = [each.name for each in series.panel.pictures]
    row = names.index(picture)
    rest = [target for target in series.panel.rows(TARGET) if target != row]
    curves = []
    for method in map(str, series.values("method", "single")):
        chosen_for = None if method == CHANCE else picture
        rises, others = dict[int, float](), dict[int, tuple[float, float]]()
        for k in sorted(int(k) for k in series.values("k", "single")):
            found = series.select(kind="single", method=method, k=k, picture=chosen_for)
            if found and series.has_references(found):
                mean = np.stack([series.rises(each) for each in found]).mean(axis=0)
                spread = float(mean[rest].std(ddof=1)) if len(rest) > 1 else 0.0
                rises[k], others[k] = float(mean[row]), (float(mean[rest].mean()), spread)
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
    parts, charts = [WORDS], {}
    for picture, curves in curves_by.items():
        ks = sorted({k for curve in curves for k in curve.rises})
        rows = [(called(curve.method), *map(curve.cell, ks)) for curve in curves]
        header = ("without the first", *map(str, ks))
        lines = [Line(curve.method, [(0, 0.0), *curve.rises.items()]) for curve in curves]
        name = f"single-{picture}.svg"
        charts[name] = line_chart(lines, "images left out", "rise of the picture's loss")
        chart = f"![Loss of {picture} against K]({FOLDER}/{name})"
        parts.append(f"`{picture}`, *{prompts[picture]}*:\n\n{table(header, rows)}\n{chart}\n")
    return Written("\n".join(parts), _plainly(list(curves_by.values())), charts)


def _plainly(pictures: Sequence[Sequence[Curve]]) -> str:
    """The largest K that the default and chance were both measured at, of every picture."""
    plural = "picture was" if len(pictures) == 1 else "pictures were"
    said = f"{len(pictures)} {plural} retrained for alone."
    found = [{curve.method: curve for curve in curves} for curves in pictures]
    if not all({DEFAULT, CHANCE} <= by.keys() for by in found):
        return said
    shared = set.intersection(*(set(by[name].rises) for by in found for name in (DEFAULT, CHANCE)))
    if not shared:
        return said
    k = max(shared)
    every = [name for name in found[0] if all(name in by and k in by[name].rises for by in found)]
    rises = {name: _at([by[name] for by in found], k) for name in every}
    told = ", ".join(
        f"of {called(name)} {100 * (own - others):+.1f}" for name, (own, others, _) in rises.items()
    )
    luck = f"luck alone spreads the other targets' rises by {100 * rises[DEFAULT][2]:.1f} points"
    return (
        f"{said} How much more a picture's loss rises than those of the other targets, in points, without "
        f"the first {k} images {told}. Each is of one training; {luck}."
    )


def _at(curves: Sequence[Curve], k: int) -> tuple[float, float, float]:
    """Means over pictures at K: of its own rise, and of the other targets' rises and their spread."""
    own, others, spread = zip(*((curve.rises[k], *curve.others[k]) for curve in curves), strict=True)
    return float(np.mean(own)), float(np.mean(others)), float(np.mean(spread))
