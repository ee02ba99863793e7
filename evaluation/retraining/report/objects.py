"""What the judge sees of a panel's objects in pictures that were made again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from evaluation.retraining.panel import Panel
from evaluation.retraining.plans import SIDES
from evaluation.retraining.records import Record


def recognised(records: Sequence[Record], panel: Panel, rows: Sequence[int]) -> float | None:
    """The share of these pictures' objects that the judge names, each on its side; None without a judge."""
    right = [
        said[row] == getattr(panel.pictures[row], side)
        for record in records
        for side in SIDES
        if (said := record.verdicts.get(f"said-{side}")) is not None
        for row in rows
    ]
    return float(np.mean(right)) if right else None


def named(record: Record, panel: Panel) -> Bool[ndarray, "pictures sides"] | None:
    """Whether the judge names the object of each side on either one; None without a judge.

    A model that learnt from fewer images still shows both objects where it has forgotten which of them
    stands where.
    """
    said = [record.verdicts.get(f"said-{side}") for side in SIDES]
    if any(each is None for each in said):
        return None
    seen = [set(pair) for pair in zip(*(each or () for each in said), strict=True)]
    return np.array(
        [
            [getattr(picture, side) in both for side in SIDES]
            for picture, both in zip(panel.pictures, seen, strict=True)
        ]
    )
