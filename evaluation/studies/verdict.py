"""How often does an image stand out of a picture that has nothing to do with it?

Fresh control pictures, made as those of first order's null are but with other seeds, asked about as a
person's picture is, as a whole and in a box: the false-positive rate of every method that says what stands
out. A training image that shares a telling word with a control's caption is not counted.
"""

from __future__ import annotations

import argparse
from collections.abc import Generator, Mapping
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from attribution.analysis.control_queries import SEED, control_query
from attribution.analysis.significance import LEVEL, related_captions
from attribution.engine import attribute
from attribution.methods.base import Cost, Judged, available, methods
from attribution.query import Box, Settings
from attribution.results import Attribution
from attribution.workspace.workspace import Workspace
from evaluation.markdown import table
from evaluation.protocols.locality import LEFT
from evaluation.reports import Report
from evaluation.studies import Kept

WORDS = """\
{controls} fresh control pictures, each asked about as a whole and by a box around its left half. \
Methods that look up score all {images:,} training images, those that measure {candidates} of them, \
drawn at random. An image stands out whose z lies above the method's level, set so that {level:.0%} of \
the controls of its null, whole pictures, have any unrelated image of all beyond it.

"""
HEADER = (
    "method", "asked about", "level", "controls with any unrelated image standing out",
    "unrelated images standing out", "related images standing out",
)  # fmt: skip
BOXES = {"the whole": None, "its left half": LEFT}


Outcome = tuple[Bool[ndarray, " unrelated"], Bool[ndarray, " related"]]


class VerdictStudy:
    name = "verdict"
    description = 'false positives of "stands out" on held-out control queries'

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--controls", type=int, default=60, metavar="N", help="fresh control queries")
        words = "training images that methods which measure score"
        parser.add_argument("--candidates", type=int, default=300, metavar="N", help=words)

    def run(
        self, workspace: Workspace, options: Mapping[str, Any], kept: Kept
    ) -> Generator[str, None, Report]:
        captions, count = workspace.training_set.captions, options["controls"]
        by_settings = {
            "instant": (Settings(effort="instant"), _levels(workspace, measuring=False)),
            "measured": (
                Settings(effort="exhaustive", candidates=options["candidates"]),
                _levels(workspace, measuring=True),
            ),
        }
        outcomes: dict[tuple[str, str], list[Outcome]] = {}
        for number in range(count):
            # Seeds behind those of the null, whatever their number.
            seed = SEED + 1_000_000 + number
            for (asked, box), (kind, (settings, levels)) in product(BOXES.items(), by_settings.items()):
                if not levels:
                    continue
                name = f"control-{number}-{kind}{'-boxed' * (box is not None)}"
                own_settings = replace(settings, seed=seed)
                of_all = kept.array(name, partial(_z, workspace, list(levels), own_settings, box))
                row, z = int(of_all[0, 0]), of_all[1:]
                related = related_captions(captions, [captions[row]])[:, 0]
                for (method, level), own in zip(levels.items(), z, strict=True):
                    outcomes.setdefault((method, asked), []).append(_outcome(own, related, level))
            yield f"{number + 1} of {count} controls"
        levels = {name: level for _, each in by_settings.values() for name, level in each.items()}
        figures: dict[str, dict[str, Any]] = {name: {} for name in levels}
        for (name, asked), found in sorted(
            outcomes.items(), key=lambda item: list(levels).index(item[0][0])
        ):
            figures[name][asked] = _rates(found, levels[name])
        rows = [_row(name, asked, rates) for name, by in figures.items() for asked, rates in by.items()]
        text = WORDS.format(
            controls=count, images=len(captions), candidates=options["candidates"], level=LEVEL
        )
        return Report({"controls": count, "methods": figures}, text + table(HEADER, rows))


def _row(name: str, asked: str, rates: Mapping[str, float]) -> tuple[str, ...]:
    return (
        f"`{name}`",
        asked,
        f"{rates['threshold']:.2f}",
        f"{rates['any_false']:.3f} ± {rates['error']:.3f}",
        f"{rates['per_image_false']:.2e}",
        f"{rates['related_standing_out']:.3f}",
    )


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
    workspace: Workspace, names: list[str], settings: Settings, box: Box | None
) -> Float[ndarray, "1+methods images"]:
    """The row whose caption a control has, all along the first line; then each method's z of all images.

    NaN where an image was not scored.
    """
    row, query = control_query(workspace, settings.seed)
    *_, answer = attribute(workspace, replace(query, box=box), names, settings)
    assert isinstance(answer, Attribution)
    found = np.full((1 + len(names), len(workspace.training_set)), np.nan)
    found[0] = row
    for line, name in enumerate(names, 1):
        ranking = answer.rankings[name]
        assert ranking.z is not None
        found[line, ranking.rows] = ranking.z
    return found


def _outcome(z: Float[ndarray, " images"], related: Bool[ndarray, " images"], level: float) -> Outcome:
    """Which of the unrelated and of the related images that were scored stand out."""
    scored = np.isfinite(z)
    return z[scored & ~related] > level, z[scored & related] > level


def _rates(outcomes: list[Outcome], level: float) -> dict[str, float]:
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
