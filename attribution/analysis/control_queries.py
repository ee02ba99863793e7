"""Control queries: what the score of a training image is compared with.

A control is asked exactly as a person's picture is: its caption is that of a random training image, its
picture is generated from it, and it is differentiated over as many draws.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float
from numpy import ndarray

from attribution.gradients.query_context import TARGET_RISE, QueryContext
from attribution.gradients.stored import GRADIENTS
from attribution.models.base import Generation
from attribution.models.batch import BATCH
from attribution.query import Query, Settings
from attribution.rng import generator
from attribution.workspace.workspace import Workspace

SEED = 7_000_000  # of the first control's picture and draws; people begin at 0
FEW, MANY = 60, 200  # controls of a small training set, and of one that has so many images or more
STEP = 20  # of which the one with the largest z stands out by chance, at the level of one in twenty


def controls_for(images: int) -> int:
    """How many control queries a training set of so many images is judged by.

    As many as there are images: a further one would ask with a caption that was asked with before. By
    `MANY` the null is known well enough. With fewer than `FEW`, images that share a word with every fourth
    control would be left with too few unrelated ones (`significance.FEWEST`), and far fewer would stand out
    that should; with `FEW`, as many do as with `MANY`, and no more of those that should not.
    """
    return min(MANY, max(FEW, -(-images // STEP) * STEP))


class Control(NamedTuple):
    """One control query.

    Attributes:
        vector: its whitened, sketched gradient.
        unit: of its scores at the matched step.
        row: of the training image whose caption it has.
    """

    vector: Float[ndarray, " dimensions"]
    unit: float
    row: int


def control(workspace: Workspace, seed: int, batch_size: int = BATCH) -> Control:
    """The control query of a seed.

    Args:
        batch_size: draws of one pass.
    """
    row, query = control_query(workspace, seed)
    gradient = QueryContext(workspace, query, Settings(seed=seed, batch_size=batch_size)).gradient()
    first_order = workspace.load(GRADIENTS)
    _, unit = first_order.matched_step(gradient.mean, gradient.loss, TARGET_RISE)
    return Control(first_order.query_vector(gradient.mean), unit, row)


def control_query(workspace: Workspace, seed: int) -> tuple[int, Query]:
    """The training image whose caption the control of a seed has, and what it asks."""
    row = int(generator(seed, "control-caption").integers(len(workspace.training_set)))
    caption = workspace.training_set.captions[row]
    *_, last = workspace.model.generate(Generation(caption, seed))
    assert last.image is not None
    return row, Query(last.image, caption)
