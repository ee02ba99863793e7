"""How often does an image stand out of a picture that has nothing to do with it?

Fresh control pictures, made as those of first order's null are but with other seeds, asked about as a
person's picture is: the false-positive rate of every method that says what stands out. A training image
that shares a telling word with a control's caption is not counted.
"""

from __future__ import annotations

import argparse
from collections.abc import Generator, Mapping
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from attribution.analysis.control_queries import SEED, control_query
from attribution.analysis.significance import LEVEL, related_captions
from attribution.engine import attribute
from attribution.methods.base import Cost, Judged, available, methods
from attribution.query import Settings
from attribution.results import Attribution
from attribution.workspace.workspace import Workspace
from evaluation.markdown import table
from evaluation.reports import Report
from evaluation.studies import Kept

WORDS = """\
{controls} fresh control pictures, all {images:,} training images. An image stands out whose z lies above \
the method's level, set so that {level:.0%} of the controls of its null have any unrelated image beyond it.

"""
HEADER = (
    "method", "level", "controls with any unrelated image standing out", "unrelated images standing out",
    "related images standing out",
)  # fmt: skip


class VerdictStudy:
    name = "verdict"
    description = 'false positives of "stands out" on held-out control queries'

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--controls", type=int, default=60, metavar="N", help="fresh control queries")
        words = "the methods that measure every image, in place of those that look up: minutes a control"
        parser.add_argument("--measuring", action="store_true", help=words)

    def run(
        self, workspace: Workspace, options: Mapping[str, Any], kept: Kept
    ) -> Generator[str, None, Report]:
        captions, count = workspace.training_set.captions, options["controls"]
        measuring = bool(options.get("measuring"))
        levels, effort = _levels(workspace, measuring), "exhaustive" if measuring else "instant"
        found: dict[str, list[tuple[Bool[ndarray, " unrelated"], Bool[ndarray, " related"]]]] = {}
        for number in range(count):
            # Seeds behind those of the null, whatever their number.
            seed = SEED + 1_000_000 + number
            name = f"measured-{number}" if measuring else f"control-{number}"
            of_all = kept.array(name, partial(_z, workspace, list(levels), seed, effort))
            row, z = int(of_all[0, 0]), of_all[1:]
            related = related_captions(captions, [captions[row]])[:, 0]
            for (name, level), own in zip(levels.items(), z, strict=True):
                found.setdefault(name, []).append((own[~related] > level, own[related] > level))
            yield f"{number + 1} of {count} controls"
        figures = {name: _rates(outcomes, levels[name]) for name, outcomes in found.items()}
        rows = [
            (
                f"`{name}`",
                f"{rates['threshold']:.2f}",
                f"{rates['any_false']:.3f} ± {rates['error']:.3f}",
                f"{rates['per_image_false']:.2e}",
                f"{rates['related_standing_out']:.3f}",
            )
            for name, rates in figures.items()
        ]
        text = WORDS.format(controls=count, images=len(captions), level=LEVEL)
        return Report({"controls": count, "methods": figures}, text + table(HEADER, rows))


def _levels(workspace: Workspace, measuring: bool) -> dict[str, float]:
    """The level of each method that says what stands out here: of those that measure, or of the others."""
    nulls = {
        name: each.null(workspace, Settings())
        for name, each in methods().items()
        if isinstance(each, Judged) and available(each, workspace)
        if (each.cost is Cost.PER_EXAMPLE) == measuring
    }
    return {name: null.threshold for name, null in nulls.items() if null is not None}


def _z(
    workspace: Workspace, names: list[str], seed: int, effort: str
) -> Float[ndarray, "1+methods images"]:
    """The row whose caption a control has, all along the first line; then each method's z of all images."""
    row, query = control_query(workspace, seed)
    *_, answer = attribute(workspace, query, names, Settings(seed=seed, effort=effort))
    assert isinstance(answer, Attribution)
    found = np.full((1 + len(names), len(workspace.training_set)), float(row))
    for line, name in enumerate(names, 1):
        ranking = answer.rankings[name]
        assert ranking.z is not None
        found[line, ranking.rows] = ranking.z
    return found


def _rates(
    outcomes: list[tuple[Bool[ndarray, " unrelated"], Bool[ndarray, " related"]]], level: float
) -> dict[str, float]:
    wrong = [int(unrelated.sum()) for unrelated, _ in outcomes]
    rate = float(np.mean([number > 0 for number in wrong]))
    return {
        "threshold": level,
        "any_false": rate,
        "error": float(np.sqrt(rate * (1 - rate) / len(wrong))),
        "per_image_false": float(np.mean(wrong) / np.mean([len(unrelated) for unrelated, _ in outcomes])),
        "related_standing_out": float(np.mean([related.mean() for _, related in outcomes if len(related)])),
    }


STUDIES = (VerdictStudy(),)
