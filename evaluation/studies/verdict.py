"""How often does an image stand out of a picture that has nothing to do with it?

Fresh control queries, made as those of the null are but with other seeds: the verdict's false-positive
rate. A training image that shares a telling word with a control's caption is not counted.
"""

from __future__ import annotations

import argparse
from collections.abc import Generator, Mapping
from typing import Any

import numpy as np

from attribution.analysis.control_queries import SEED, control
from attribution.analysis.significance import CONTROLS, LEVEL, related_captions
from attribution.gradients.stored import GRADIENTS
from attribution.workspace.workspace import Workspace
from evaluation.markdown import table
from evaluation.reports import Report
from evaluation.studies import Kept

WORDS = """\
{controls} fresh control pictures, all {images:,} training images; z above {threshold:.2f} stands \
out (set so that {level:.0%} of the controls of the null have any unrelated image beyond it).

"""


class VerdictStudy:
    name = "verdict"
    description = 'false positives of "stands out" on held-out control queries'

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--controls", type=int, default=60, metavar="N", help="fresh control queries")

    def run(
        self, workspace: Workspace, options: Mapping[str, Any], kept: Kept
    ) -> Generator[str, None, Report]:
        null, first_order = workspace.load(CONTROLS), workspace.load(GRADIENTS)
        captions = workspace.training_set.captions
        queries = []
        for number in range(options["controls"]):
            # Seeds behind those of the null, whatever their number.
            vector, unit, row = control(workspace, SEED + 1_000_000 + number)
            z = null.z(unit * first_order.products(vector[None])[:, 0].astype(np.float64))
            related = related_captions(captions, [captions[row]])[:, 0]
            queries.append((z[~related], z[related]))
            yield f"{number + 1} of {options['controls']} controls"
        wrong = [(unrelated > null.threshold).sum() for unrelated, _ in queries]
        right = [(related > null.threshold).mean() for _, related in queries if len(related)]
        rate = float(np.mean([count > 0 for count in wrong]))
        error = float(np.sqrt(rate * (1 - rate) / len(wrong)))
        images = float(np.mean(wrong) / np.mean([len(unrelated) for unrelated, _ in queries]))
        rows = [
            ("controls with any unrelated image standing out", f"{rate:.3f} ± {error:.3f}"),
            ("unrelated images standing out", f"{images:.2e}"),
            ("related images standing out", f"{np.mean(right):.3f}"),
        ]
        figures = {
            "controls": len(wrong),
            "threshold": null.threshold,
            "any_false": rate,
            "per_image_false": images,
            "related_standing_out": float(np.mean(right)),
        }
        text = WORDS.format(
            controls=len(wrong), images=len(captions), threshold=null.threshold, level=LEVEL
        )
        return Report(figures, text + table(("rate", "measured"), rows))


STUDIES = (VerdictStudy(),)
