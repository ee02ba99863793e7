"""What kernels of projected gradients say of pictures that have nothing to do with a training image.

The feature of a training image is what it would be asked with, were it the query. So training images, drawn
by chance, serve as each other's control queries (`attribution.analysis.significance`), and nothing has to
be generated or stored. An image counts for none that shares a telling word with it, nor for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from attribution.analysis.control_queries import controls_for
from attribution.analysis.significance import FEWEST, Judgement, Null, null_of, related_to
from attribution.results import Scores
from attribution.rng import generator
from attribution.workspace.cache import Cache
from attribution.workspace.workspace import Workspace

MOST = 50_000  # training images: of more, all scores under all controls would take gigabytes

ScoresUnder = Callable[[Int[ndarray, " controls"]], Float[ndarray, "n controls"]]


def kernel_null(workspace: Workspace, key: str, scores_under: ScoresUnder) -> Null | None:
    """The null of each training image's scores; None where there are too few images, or too many.

    Args:
        key: names the scores among all of a workspace; the null is remembered under it.
        scores_under: the scores of all training images if those in some rows are asked about.
    """
    count = len(workspace.training_set)
    if not FEWEST < count <= MOST:
        return None
    remembered: Cache[Null] = workspace.cache("kernel nulls")
    known = remembered.get(key)
    if known is not None:
        return known
    captions, controls = workspace.training_set.captions, min(controls_for(count), count)
    rows = np.sort(generator(0, "kernel controls", count).choice(count, controls, replace=False))
    related = related_to(captions, rows)
    related[rows, np.arange(controls)] = True
    found = null_of(scores_under(rows), related)
    remembered.put(key, found)
    return found


def held_against(null: Null, every: Scores, rows: Int[ndarray, " k"]) -> Scores:
    """The scores of some rows, and how far they stand out of a null.

    Args:
        every: the scores of all training images, row by row, which say on what scale they are.
    """
    judged = Judgement(null.z(every.values), null)
    return replace(
        every,
        rows=rows,
        values=every.values[rows],
        stderr=None if every.stderr is None else every.stderr[rows],
        details={**every.details, **judged.details()},
        z=judged.z[rows],
    )
