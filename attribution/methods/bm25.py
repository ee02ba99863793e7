"""BM25: how well a training caption answers the query's, by its words alone.

Okapi BM25 (Robertson & Zaragoza 2009, section 3), the measure that search engines began with:

    sum over the query's words of  idf(w) tf / (k1 ((1 - b) + b length / mean length) + tf)
    idf(w) = max(0, log((N - n_w + 0.5) / (n_w + 0.5)))

with `tf` how often the training caption has the word, `length` its words, and `n_w` how many of the N
captions have it. A word in more than half of them would count against a caption; here it counts for
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

import bm25s
import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from attribution.data.words import words
from attribution.errors import SettingsError
from attribution.gradients.query_context import QueryContext
from attribution.methods.base import Cost, Family
from attribution.query import Candidates, MethodOptions
from attribution.results import Progress, Scores
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.workspace import Workspace

PART = 20_000  # captions read between two looks at whether to stop
KEPT = 2  # indices of other k1 and b; that of a million captions takes 100 MB


@dataclass(frozen=True)
class BM25Options(MethodOptions):
    """How words are counted.

    Attributes:
        k1: how slowly a word's further occurrences stop counting; 0: only whether it is there.
        b: how far long captions are held to be long-winded, from 0 (not at all) to 1.
    """

    k1: float = 1.2
    b: float = 0.75

    def __post_init__(self) -> None:
        if not (math.isfinite(self.k1) and self.k1 >= 0):
            raise SettingsError(f"k1 is {self.k1}: it must not be negative")
        if not 0 <= self.b <= 1:
            raise SettingsError(f"b is {self.b}: it must lie in [0, 1]")


@dataclass(frozen=True)
class CaptionIndex:
    """What each word is worth in each training caption that has it.

    Attributes:
        places: of the words in the index.
        index: none where no caption has a word.
    """

    places: dict[str, int]
    index: bm25s.BM25 | None
    captions: int

    def scores(self, caption: str) -> Float32[ndarray, " captions"]:
        """BM25 of every training caption; a word that the query has twice counts twice."""
        asked = [self.places[word] for word in words(caption) if word in self.places]
        if self.index is None or not asked:
            return np.zeros(self.captions, np.float32)
        scores: Float32[ndarray, " captions"] = self.index.get_scores_from_ids(asked)
        return scores


@dataclass(frozen=True)
class BM25:
    """The training captions are indexed when they are first asked about, and kept by the workspace."""

    name: str = "bm25"
    title: str = "Words (BM25)"
    description: str = (
        "The words that two captions share, rare ones counting more (BM25); "
        "neither picture nor box is looked at."
    )
    family: Family = Family.LIKENESS
    cost: Cost = Cost.LOOKUP
    shortlists: bool = False
    options: BM25Options = field(default_factory=BM25Options)

    def needs(self, workspace: Workspace) -> tuple[ArtifactKind[object], ...]:
        return ()

    def score(self, context: QueryContext, candidates: Candidates) -> Iterator[Progress | Scores]:
        index = yield from self._index(context.workspace, context.settings.options_of(self))
        yield Scores(candidates.rows, index.scores(context.query.caption)[candidates.rows])

    def _index(self, workspace: Workspace, options: BM25Options) -> Generator[Progress, None, CaptionIndex]:
        """Yield progress; return the index, as it is remembered or made now."""
        remembered = workspace.cache("bm25", KEPT)
        index: CaptionIndex | None = remembered.get(repr(options))
        if index is None:
            index = yield from self.indexed(workspace.training_set.captions, options)
            remembered.put(repr(options), index)
        return index

    def indexed(
        self, captions: Sequence[str], options: BM25Options
    ) -> Generator[Progress, None, CaptionIndex]:
        """Yield progress; return the index of some captions."""
        places: dict[str, int] = {}
        numbers: list[list[int]] = []
        for row, caption in enumerate(captions):
            if row % PART == 0:
                yield Progress(self.name, "reading the captions", row, len(captions))
            numbers.append([places.setdefault(word, len(places)) for word in words(caption)])
        if not places:
            return CaptionIndex(places, None, len(captions))
        index = bm25s.BM25(k1=options.k1, b=options.b, method="robertson")
        index.index((numbers, places), create_empty_token=False, show_progress=False)
        return CaptionIndex(places, index, len(captions))


METHODS = (BM25(),)
