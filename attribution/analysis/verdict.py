"""When a test of an answer bears it out: a rule that was held against retraining.

What the images that an answer names changed of the model's predictions for the picture is compared with
what random images changed. How much random images change differs from set to set, and a set that shows much
changes every picture: so the answer must be above their mean by a factor, and clearly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

MORE = 1.25  # times the mean of the random sets
CLEAR = 2.0  # standard errors

Figure = tuple[float, float]  # a figure and its standard error


def bears_out(own: Figure, controls: Sequence[Figure]) -> bool:
    """Whether a change is clearly more than `MORE` times the mean of its controls'.

    The factor was chosen on half of the pictures of the reference panel, so that at most one in twenty
    pictures that have nothing to do with what was unlearned is called its debtor; docs/EVIDENCE.md has what
    became of the other half. That an answer is not borne out says nothing against it: what random images
    change hides what it would have shown.

    Raises:
        ValueError: there is no control.
    """
    if not controls:
        raise ValueError("there is no control to compare with")
    mean = sum(value for value, _ in controls) / len(controls)
    error = math.hypot(*(stderr for _, stderr in controls)) / len(controls)
    return own[0] - MORE * mean > CLEAR * math.hypot(own[1], MORE * error)
