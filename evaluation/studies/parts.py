"""Are the parts that are traced unasked where the objects are?

Training scenes say where their objects lie. Each is given with its caption as a picture that somebody has
brought, and the part of each object's word is held against the object's true box.
"""

from __future__ import annotations

import argparse
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from attribution.analysis.picture_parts import PicturePart, picture_parts
from attribution.data.training_set import Example
from attribution.gradients.query_context import QueryContext
from attribution.query import Box, Query, Settings
from attribution.results import returned
from attribution.rng import generator
from attribution.workspace.workspace import Workspace
from evaluation.markdown import table
from evaluation.reports import Report
from evaluation.statistics import grouped_interval
from evaluation.studies import Kept

HALF = 0.5  # of the union of two boxes: they are of one thing
FOUND, INSIDE, UNION, OTHERS = range(4)
WORDS = """\
{scenes} training scenes, drawn by the seed, with {objects} objects that their captions name. A part is \
*inside* if its middle lies in the object's box; the *overlap* is intersection over union, 0 where no \
part was found. *Elsewhere* are parts of other words, a scene. In brackets: 95% bootstrap intervals over \
scenes.

"""


class Parts:
    name = "parts"
    description = "whether the parts that are traced unasked are where the objects are"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--scenes", type=int, default=100, metavar="N", help="training scenes")

    def run(
        self, workspace: Workspace, options: Mapping[str, Any], kept: Kept
    ) -> Generator[str, None, Report]:
        placed = [each for each in workspace.training_set.examples if true_boxes(each)]
        order = generator(options["seed"], "scenes").permutation(len(placed))[: options["scenes"]]
        found = []
        for number, place in enumerate(order, 1):
            example = placed[place]
            found.append(kept.array(f"scene-{example.row}", partial(_measured, workspace, example)))
            yield f"{number} of {len(order)} scenes"
        return _report(found)


STUDIES = (Parts(),)


def true_boxes(example: Example) -> dict[str, Box]:
    """Where a scene's objects are, as far as it says so and its caption names them."""
    objects = example.metadata.get("objects") or ()
    named = {each["name"]: each["box"] for each in objects if isinstance(each, dict) and "box" in each}
    return {name: Box(*box) for name, box in named.items() if name in example.caption.lower()}


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = max(0.0, min(one.x1, other.x1) - max(one.x0, other.x0))
    height = max(0.0, min(one.y1, other.y1) - max(one.y0, other.y0))
    both = sum((each.x1 - each.x0) * (each.y1 - each.y0) for each in (one, other))
    return width * height / (both - width * height)


def measured(parts: Sequence[PicturePart], truth: Mapping[str, Box]) -> Float[ndarray, "objects 4"]:
    """Of each object whether it was found, whether inside, its overlap, and the parts of other words."""
    by_word = {part.word: part.box for part in parts}
    elsewhere = sum(word not in truth for word in by_word)
    rows = []
    for name, box in truth.items():
        own = by_word.get(name)
        inside = own is not None and _holds(box, (own.x0 + own.x1) / 2, (own.y0 + own.y1) / 2)
        rows.append((own is not None, inside, overlap(own, box) if own else 0.0, elsewhere))
    return np.array(rows, dtype=np.float64)


def _measured(workspace: Workspace, example: Example) -> Float[ndarray, "objects 4"]:
    image = workspace.prepared(workspace.training_set.image(example.row))
    context = QueryContext(workspace, Query(image, example.caption), Settings())
    return measured(returned(picture_parts(context)), true_boxes(example))


def _holds(box: Box, x: float, y: float) -> bool:
    return box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1


def _report(scenes: Sequence[Float[ndarray, "objects 4"]]) -> Report:
    found = np.concatenate(scenes)
    scene = np.repeat(np.arange(len(scenes)), [len(each) for each in scenes])
    shares = {
        "found": found[:, FOUND],
        "inside": found[:, INSIDE],
        "overlap": found[:, UNION],
        "overlap of half or more": found[:, UNION] >= HALF,
    }
    figures, rows = {}, []
    for name, values in shares.items():
        low, high = grouped_interval(values, scene)
        figures[name] = {"mean": float(values.mean()), "interval": [low, high]}
        rows.append((name, f"{values.mean():.2f} [{low:.2f}, {high:.2f}]"))
    elsewhere = float(np.mean([each[0, OTHERS] for each in scenes]))
    rows.append(("elsewhere", f"{elsewhere:.2f}"))
    whole = {"scenes": len(scenes), "objects": len(found), "shares": figures, "elsewhere": elsewhere}
    words = WORDS.format(scenes=len(scenes), objects=len(found))
    return Report(whole, words + table(("", "of objects"), rows))
