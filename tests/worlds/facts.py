"""Training sets made of captions and metadata, and rankings of them: for tests of what images share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from attribution.data.training_set import Example, TrainingSet
from attribution.methods.base import method
from attribution.results import Ranking

FEW, ALL = 20, 200  # images of which a fact is true, of all


def described(captions: Sequence[str], metadata: Sequence[dict[str, Any]] | None = None) -> TrainingSet:
    """Images that nobody has seen: a caption each, and further columns."""
    columns = metadata or [{} for _ in captions]
    examples = [
        Example(row, f"train-{row:03}", f"{row}.png", caption, "", columns[row])
        for row, caption in enumerate(captions)
    ]
    return TrainingSet(Path("nowhere"), examples, "")


def ranked(
    training_set: TrainingSet, rows: Sequence[int], name: str = "first-order", **more: Any
) -> Ranking:
    """The images of some rows in that order."""
    scores = np.linspace(2, 1, len(rows))
    given = {"stderr": None, "z": None, "seconds": 0.1, "candidates": "all", **more}
    return Ranking(name, method(name).title, training_set, np.asarray(rows, np.int64), scores, **given)


def few_share(metadata: dict[str, Any], caption: str = "") -> TrainingSet:
    """The first `FEW` of `ALL` images have this metadata, and this in their captions; no other has."""
    columns = [metadata if row < FEW else dict.fromkeys(metadata, "other") for row in range(ALL)]
    return described([f"{caption} {row}" if row < FEW else f"{row}" for row in range(ALL)], columns)
