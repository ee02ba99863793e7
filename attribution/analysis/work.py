"""Whether a work is in the training set: what is nearest to it, and how near unrelated pictures come.

Something is always nearest. How near that is, is compared with how near training images are to their own
nearest others: pictures that nobody copied from each other, as far as most of them go. Nothing here asks
the model: it says whether a picture is there, and not what any other owes to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from PIL import Image, ImageOps

from attribution.analysis.library import like_picture
from attribution.analysis.near_duplicates import NEARLY, apart
from attribution.rng import generator
from attribution.workspace.cache import Cache
from attribution.workspace.embeddings import embedding
from attribution.workspace.vector_index import Neighbours
from attribution.workspace.workspace import Workspace

SHOWN = 6  # of the nearest in each embedding
LOOKED_AT = 24  # of the nearest in each embedding, whose pixels are compared
OTHERS = 300  # training images whose nearest other is looked for
EXACT = 2.0  # levels of 255: what saving a picture once more, or another size, changes
UNUSUAL = 0.01  # share of training images whose nearest other is as near: fewer are unusual


@dataclass(frozen=True)
class NearImage:
    """A training image near to the work.

    Attributes:
        apart: root mean squared difference of pixels at the model's size, in levels of 255.
        mirrored: it is the work's mirror image that is near.
    """

    row: int
    cosine: float
    apart: float
    mirrored: bool = False


@dataclass(frozen=True)
class Nearness:
    """How near the work comes in one embedding.

    Attributes:
        nearest: the nearest first; the work as it is, or mirrored, whichever is nearer.
        others: cosines of training images to their own nearest other, ascending.
    """

    encoder: str
    nearest: tuple[NearImage, ...]
    others: Float64[ndarray, " others"]

    @property
    def as_near(self) -> float:
        """The share of training images whose nearest other is as near; never 0: few were looked at."""
        count = len(self.others) - np.searchsorted(self.others, self.nearest[0].cosine - 1e-9)
        return float(1 + count) / (1 + len(self.others))

    @property
    def unusual(self) -> bool:
        """Whether hardly any training image has another that is as near."""
        return self.as_near <= UNUSUAL


@dataclass(frozen=True)
class WorkCheck:
    """What was found of a work.

    Attributes:
        exact: training images that are the same picture, up to what saving it again changes.
        near: others whose pixels are nearly the same.
        spaces: of each embedding of pictures.
    """

    exact: tuple[NearImage, ...]
    near: tuple[NearImage, ...]
    spaces: tuple[Nearness, ...]


def check_work(workspace: Workspace, work: Image.Image, encoders: Sequence[str]) -> WorkCheck:
    """Look for a work in each embedding, and compare the pixels of what is nearest.

    Args:
        encoders: at least one.
    """
    views = {False: work, True: ImageOps.mirror(work)}
    spaces = tuple(_nearness(workspace, encoder, views) for encoder in encoders)
    found: dict[int, NearImage] = {}
    for image in (image for space in spaces for image in space.nearest):
        if image.row not in found or image.apart < found[image.row].apart:
            found[image.row] = image
    copies = sorted((each for each in found.values() if each.apart < NEARLY), key=lambda each: each.apart)
    exact = tuple(each for each in copies if each.apart < EXACT)
    near = tuple(each for each in copies if each.apart >= EXACT)
    return WorkCheck(exact, near, spaces)


def nearest_others(workspace: Workspace, encoder: str) -> Float64[ndarray, " others"]:
    """The cosine of each of some random training images to the nearest other, ascending."""
    remembered: Cache[Float64[ndarray, " others"]] = workspace.cache("nearest others")
    found = remembered.get(encoder)
    if found is None:
        neighbours, total = workspace.load(embedding(encoder)).neighbours, len(workspace.training_set)
        rows = generator(0, "nearest others").permutation(total)[:OTHERS]
        found = np.sort([_nearest_other(neighbours, int(row)) for row in rows])
        remembered.put(encoder, found)
    return found


def _nearest_other(neighbours: Neighbours, row: int) -> float:
    """The cosine of a training image to the nearest of the others."""
    vector = neighbours.vector(row)
    near = neighbours.search(vector, 2)
    return float(neighbours.scores(vector, near[near != row][:1])[0])


def _nearness(workspace: Workspace, encoder: str, views: dict[bool, Image.Image]) -> Nearness:
    nearest: dict[int, NearImage] = {}
    for mirrored, view in views.items():
        order, picture = like_picture(workspace, encoder, view), workspace.prepared(view)
        neighbours = order.embedding.neighbours
        rows = neighbours.search(order.vector, LOOKED_AT)
        for row, cosine in zip(rows.tolist(), neighbours.scores(order.vector, rows).tolist(), strict=True):
            if row not in nearest or cosine > nearest[row].cosine:
                nearest[row] = NearImage(row, cosine, apart(workspace, picture, row), mirrored)
    in_order = sorted(nearest.values(), key=lambda each: (-each.cosine, each.row))
    return Nearness(encoder, tuple(in_order), nearest_others(workspace, encoder))
