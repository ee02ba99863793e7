"""The methods that rank by likeness: the cosine between the query's vector and each training image's.

What influence is compared with. A boxed query is embedded as the crop, stretched to the encoder's
square; a whole one as the model's own view of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jaxtyping import Float, Int
from numpy import ndarray
from PIL import Image

from attribution.data.preprocessing import box_in_prepared, prepared
from attribution.encoders.base import encoder_reader
from attribution.query import Candidates, Query, Settings
from attribution.results import Progress, Scores
from attribution.workspace.workspace import Workspace


@dataclass(frozen=True)
class Likeness:
    """A method by one embedding.

    Attributes:
        encoder: whose vectors are compared.
        captions: compare captions rather than pictures.
    """

    name: str
    title: str
    description: str
    encoder: str
    captions: bool = False
    slow: bool = False

    @property
    def artifact(self) -> str:
        return f"embeddings-{self.name}"

    def needs(self, workspace: Workspace) -> tuple[str, ...]:
        return (self.artifact,)

    def query_vector(self, workspace: Workspace, query: Query) -> Float[ndarray, " d"]:
        """The query in this embedding, length 1."""
        encoder = workspace.encoder(self.encoder)
        if self.captions:
            vectors = encoder.captions([query.caption])
        else:
            vectors = encoder.images([view(query, workspace.resolution)])
        if encoder_reader(self.encoder).whitened:
            vectors = workspace.whitening(self.artifact)(vectors)
        vector: Float[ndarray, " d"] = vectors[0]
        return vector

    def nearest(self, workspace: Workspace, query: Query, count: int) -> Int[ndarray, " k"]:
        """The `count` most alike training images, best first."""
        vector = self.query_vector(workspace, query)
        return workspace.neighbours(self.artifact).search(vector, count)

    def score(
        self, workspace: Workspace, query: Query, settings: Settings, candidates: Candidates
    ) -> Iterator[Progress | Scores]:
        yield Progress(self.name, "embedding the query", 0, 1)
        neighbours = workspace.neighbours(self.artifact)
        vector = self.query_vector(workspace, query)
        yield Scores(candidates.rows, neighbours.scores(vector, candidates.rows))


def view(query: Query, resolution: int) -> Image.Image:
    """What the model sees of the query, or of its box: the crop alone, at the same scale."""
    picture = prepared(query.image, resolution)
    if query.box is None:
        return picture
    return box_in_prepared(query.box, query.image.size).crop(picture)
