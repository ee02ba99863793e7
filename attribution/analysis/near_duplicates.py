"""The training images most like one of them, and which of those are nearly the same picture.

Two pictures are near-duplicates if, both brought to the model's square, their pixels differ by less
than `NEARLY` levels of 255 (root mean square). In the embedded world half of all images have none
nearer than 34, and three pairs of 3,000 are near-duplicates. A mirrored or a shifted copy is not found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.embeddings import Embedding
from attribution.workspace.workspace import Workspace

NEARLY = 10.0  # levels of 255


@dataclass(frozen=True)
class SimilarImage:
    """A training image beside another.

    Attributes:
        cosine: in the embedding in which it is near.
        apart: root mean squared difference of pixels, in levels of 255.
    """

    row: int
    cosine: float
    apart: float

    @property
    def near_duplicate(self) -> bool:
        return self.apart < NEARLY


def similar_images(
    workspace: Workspace, kind: ArtifactKind[Embedding], row: int, count: int
) -> tuple[SimilarImage, ...]:
    """The `count` training images nearest to one in an embedding, itself left out.

    Raises:
        ArtifactError: the workspace has no such embedding.
    """
    neighbours = workspace.load(kind).neighbours
    vector = neighbours.vector(row)
    near = neighbours.search(vector, count + 1)
    near = near[near != row][:count]
    own = workspace.prepared(workspace.training_set.image(row))
    cosines = neighbours.scores(vector, near)
    return tuple(
        SimilarImage(int(other), float(cosine), apart(workspace, own, int(other)))
        for other, cosine in zip(near, cosines, strict=True)
    )


def apart(workspace: Workspace, picture: Image.Image, row: int) -> float:
    """Root mean squared difference of pixels between a prepared picture and a training image, of 255."""
    other = workspace.prepared(workspace.training_set.image(row))
    difference = np.asarray(picture, np.float64) - np.asarray(other, np.float64)
    return float(np.sqrt((difference**2).mean()))
