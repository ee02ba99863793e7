"""A test of an answer, with every kind of value that one has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from app.runs.proofs import TOP, Proof
from attribution.analysis.counterfactual import (
    MATCHED,
    Comparison,
    CounterfactualCheck,
    CounterfactualSettings,
    Outcome,
    Survivor,
)
from attribution.models.base import Generation
from attribution.unlearning.change import Change, LossChange

LOSS = LossChange(0.5, 0.02, 0.6, 0.02, 0.1, 0.01, 0.05, 0.01)
CHANGE = Change(20.0, 3.0, {"clip": 0.9})
MADE = Generation("a dog <b>", seed=3, steps=7, negative_prompt="a cat")


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8))


OUTCOME = Outcome(("a", "b"), 0.2, 1.0, LOSS, (picture(1),), (CHANGE,))
CHECK = CounterfactualCheck(
    {"snapped_box": [0.25, 0.5, 0.75, 1.0], "box": None, "caption": "a dog"},
    CounterfactualSettings(controls=1),
    True,
    (MADE,),
    (picture(0),),
    OUTCOME,
    (replace(OUTCOME, pictures=(picture(2),)),),
    (Survivor(MADE, picture(3), picture(4), LOSS, replace(CHANGE, outside=None)),),
    ("one", "two"),
    (Comparison(MATCHED, replace(OUTCOME, pictures=(picture(5),))), Comparison("clip")),
    final=True,
)
PROOF = Proof("A", "pixel", TOP, CHECK)
