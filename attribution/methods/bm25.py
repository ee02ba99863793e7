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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from attribution.data.caption_words import CaptionWords
from attribution.data.words import words
from attribution.errors import SettingsError
from attribution.gradients.query_context import QueryContext
from attribution.methods.base import Cost, Family
from attribution.query import Candidates, MethodOptions
from attribution.results import Progress, Scores
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.workspace import Workspace


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


def bm25_scores(
    said: CaptionWords, asked: Iterable[str], options: BM25Options
) -> Float32[ndarray, " captions"]:
    """BM25 of every training caption; a word that is asked for twice counts twice."""
    scores = np.zeros(said.captions, np.float32)
    for word in asked:
        rows, times = said.having(word)
        if not 0 < len(rows) < said.captions / 2:
            continue  # nobody has it, or so many that its idf is 0
        idf = np.float32(math.log((said.captions - len(rows) + 0.5) / (len(rows) + 0.5)))
        long_winded = (1 - options.b) + options.b * said.lengths[rows] / said.mean_length
        scores[rows] += (idf * (times / (options.k1 * long_winded + times))).astype(np.float32)
    return scores


def caption_scores(context: QueryContext, options: BM25Options) -> Float32[ndarray, " captions"]:
    """BM25 of every training caption for the query's."""
    said = context.workspace.training_set.caption_words
    return bm25_scores(said, words(context.query.caption), options)


@dataclass(frozen=True)
class BM25:
    """Which captions have which words is kept by the training set; it is scored when it is asked."""

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
        yield Progress(self.name, "reading the captions", 0, 1)
        scores = caption_scores(context, context.settings.options_of(self))
        yield Scores(candidates.rows, scores[candidates.rows])


METHODS = (BM25(),)
