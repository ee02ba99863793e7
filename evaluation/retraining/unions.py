"""Unions of the first images of several rankings, and what they are compared with: chance and the truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from attribution.data.training_set import TrainingSet
from attribution.errors import SettingsError
from attribution.rng import generator
from evaluation.prompts import object_names
from evaluation.retraining.panel import PanelPicture


def union(rankings: Sequence[Int[ndarray, " ranked"]], size: int) -> Int[ndarray, " size"]:
    """The rows that rankings put first, dealt in turn until there are `size` different ones.

    Where rankings share images, each goes on to its next one: so the unions of all methods are of one size,
    and what is removed differs in what it is and not in how much it is.

    Raises:
        SettingsError: the rankings together have fewer.
    """
    taken: dict[int, None] = {}
    waiting = [iter(ranking.tolist()) for ranking in rankings]
    while len(taken) < size:
        before = len(taken)
        for ranking in waiting:
            row = next((row for row in ranking if row not in taken), None)
            if row is not None and len(taken) < size:
                taken[row] = None
        if len(taken) == before:
            raise SettingsError(f"rankings have {before} images, fewer than {size}: choose a smaller K")
    return np.sort(np.fromiter(taken, np.int64))


def random_rows(images: int, size: int, draw: int) -> Int[ndarray, " size"]:
    """Draw number `draw` of so many rows out of `images`, without replacement."""
    chosen = generator(0, "retraining chance", size, draw).choice(images, size=size, replace=False)
    return np.sort(chosen)


def oracle_ranking(
    picture: PanelPicture, training_set: TrainingSet, side: str = "whole"
) -> Int[ndarray, " ranked"]:
    """The rows of scenes that show a picture's objects: both, then one; among those, the same ground first.

    This is the world's own truth, which no method is told. Ties are broken by chance, not by place.

    Args:
        side: "left" or "right" for scenes with the object on that side alone.
    """
    wanted = {picture.left, picture.right} if side == "whole" else {getattr(picture, side)}
    chance = generator(0, "retraining oracle", picture.name, side).random(len(training_set))
    order = []
    for example in training_set.examples:
        shown = len(wanted & set(object_names(example)))
        if shown:
            same_ground = example.metadata.get("ground") == picture.ground
            order.append((-shown, not same_ground, chance[example.row], example.row))
    return np.array([row for *_, row in sorted(order)], dtype=np.int64)
