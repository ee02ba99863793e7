"""A small network's guess at what unlearning would say, without asking the diffusion model.

After FastGDA (arXiv 2511.10721): see `attribution.analysis.ranker` for the network and what teaches it. The
query is told by the vectors that the likeness methods compare, of its picture and of its caption, and by
how alike it is to each training image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int
from numpy import ndarray

from attribution.analysis.ranker import DISTILLED, FEATURES, Distilled
from attribution.gradients.query_context import QueryContext
from attribution.methods.base import Cost, Family
from attribution.methods.bm25 import BM25Options, caption_scores
from attribution.methods.likeness import METHODS as LIKENESS
from attribution.query import NO_OPTIONS, Candidates, MethodOptions, Query
from attribution.results import Progress, Scores
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.workspace import Workspace


@dataclass(frozen=True)
class DistilledUnlearning:
    """What the network makes of the query's vectors, multiplied with what it made of each image's."""

    name: str = "distilled"
    title: str = "Unlearning (distilled)"
    description: str = (
        "A small network's guess at the relative divergence, at once: it was taught by pictures of this "
        "model that were unlearned. Whole pictures only."
    )
    family: Family = Family.UNLEARNING
    cost: Cost = Cost.LOOKUP
    shortlists: bool = False
    options: MethodOptions = NO_OPTIONS

    def needs(self, workspace: Workspace) -> tuple[ArtifactKind[Distilled], ...]:
        return (DISTILLED,)

    def refusal(self, query: Query) -> str | None:
        """Return that it learnt from whole pictures, where a part is asked about."""
        if query.box is None:
            return None
        return "it learnt from whole pictures, and says nothing of a part: ask about the whole"

    def score(self, context: QueryContext, candidates: Candidates) -> Iterator[Progress | Scores]:
        yield Progress(self.name, "embedding the query", 0, 1)
        query, rows = query_features(context), candidates.rows
        distilled, alike = context.workspace.load(DISTILLED), query_likenesses(context, query, rows)
        yield Scores(rows, distilled.scores(query, rows, alike))


def query_features(context: QueryContext) -> Float32[ndarray, " features"]:
    """What the network is told of a query."""
    by_name = {each.name: each for each in LIKENESS}
    vectors = [by_name[name].query_vector(context) for name in FEATURES]  # as those of training images
    found: Float32[ndarray, " features"] = np.concatenate(vectors).astype(np.float32)
    return found


def query_likenesses(
    context: QueryContext, query: Float32[ndarray, " features"], rows: Int[ndarray, " k"]
) -> Float32[ndarray, "k likenesses"]:
    """How alike a query, told in these features, is to some training images."""
    neighbours = [context.workspace.load(kind).neighbours for kind in FEATURES.values()]
    vectors = np.split(query, np.cumsum([each.dimensions for each in neighbours])[:-1])
    cosines = [each.scores(vector, rows) for each, vector in zip(neighbours, vectors, strict=True)]
    return np.stack([*cosines, word_scores(context)[rows]], axis=1).astype(np.float32)


def word_scores(context: QueryContext) -> Float32[ndarray, " images"]:
    """How well each training caption answers the query's by its words, however BM25 itself is asked."""
    return caption_scores(context, BM25Options())


METHODS = (DistilledUnlearning(),)
