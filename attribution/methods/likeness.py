"""The methods that rank by likeness: the cosine between the query's vector and each training image's.

What influence is compared with. A boxed query is embedded as the crop, stretched to the encoder's
square; a whole one as the model's own view of it. Of a large training set the nearest alone are looked for,
through lists, unless effort is exhaustive: their scores are what they would be anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from numpy import ndarray

from attribution.gradients.query_context import QueryContext
from attribution.methods.base import Cost, Family
from attribution.query import NO_OPTIONS, Candidates, MethodOptions
from attribution.results import APPROXIMATE, Progress, Scores
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.embeddings import Embedding, embedding
from attribution.workspace.inverted_lists import FOUND
from attribution.workspace.workspace import Workspace


@dataclass(frozen=True)
class Likeness:
    """A method by one embedding.

    Attributes:
        encoder: whose vectors are compared.
        captions: whether captions are compared rather than pictures.
    """

    name: str
    title: str
    description: str
    encoder: str
    captions: bool = False
    family: Family = Family.LIKENESS
    cost: Cost = Cost.LOOKUP
    shortlists: bool = True
    options: MethodOptions = NO_OPTIONS

    @property
    def artifact(self) -> ArtifactKind[Embedding]:
        """The training set in this embedding."""
        return embedding(self.encoder, self.captions)

    def needs(self, workspace: Workspace) -> tuple[ArtifactKind[Embedding], ...]:
        return (self.artifact,)

    def query_vector(self, context: QueryContext) -> Float[ndarray, " d"]:
        """Return the query in this embedding, length 1."""
        encoder = context.workspace.encoder(self.encoder)
        if self.captions:
            vectors = encoder.captions([context.query.caption])
        else:
            # What the model sees of the query, or of its box: the crop alone, at the same scale.
            picture = context.picture
            vectors = encoder.images([picture if context.box is None else context.box.crop(picture)])
        vector: Float[ndarray, " d"] = context.workspace.load(self.artifact).comparable(vectors)[0]
        return vector

    def nearest(self, context: QueryContext, count: int) -> Int[ndarray, " k"]:
        """Return the `count` most alike training images, best first."""
        vector = self.query_vector(context)
        return context.workspace.load(self.artifact).neighbours.search(vector, count)

    def score(self, context: QueryContext, candidates: Candidates) -> Iterator[Progress | Scores]:
        yield Progress(self.name, "embedding the query", 0, 1)
        neighbours, vector = context.workspace.load(self.artifact).neighbours, self.query_vector(context)
        rows, details = candidates.rows, dict[str, Any]()
        if neighbours.lists is not None and self._may_choose(context, candidates):
            rows = neighbours.found(vector, max(FOUND, context.settings.shortlist))
            details = {APPROXIMATE: neighbours.lists.recall.model_dump()}
        yield Scores(rows, neighbours.scores(vector, rows), details=details)

    def _may_choose(self, context: QueryContext, candidates: Candidates) -> bool:
        """Whether it was asked for what is nearest, and not for the score of every image or of some."""
        everything = len(candidates.rows) == len(context.workspace.training_set)
        return everything and context.settings.effort != "exhaustive"


METHODS = (
    Likeness(
        name="clip",
        title="CLIP image",
        description="Cosine of CLIP image vectors: the training images that show the same things. "
        "With a box, the crop's vector.",
        encoder="clip",
    ),
    Likeness(
        name="dino",
        title="DINO",
        description="Cosine of DINO image vectors: the training images that look alike. "
        "With a box, the crop's vector.",
        encoder="dino",
    ),
    Likeness(
        name="clip-text",
        title="CLIP text",
        description="Cosine of CLIP text vectors, caption to caption; "
        "neither picture nor box is looked at.",
        encoder="clip",
        captions=True,
    ),
    Likeness(
        name="pixel",
        title="Raw pixels",
        description="Correlation of small copies of the pictures: the same colours in the same places. "
        "With a box, the crop stretched to the whole square.",
        encoder="pixel",
        shortlists=False,
    ),
)
