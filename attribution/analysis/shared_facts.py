"""What the first images of a ranking have in common: values of metadata, and words of captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.stats import hypergeom

from attribution.analysis.agreement import TOP
from attribution.analysis.groups import LEVEL, wilson
from attribution.data.postings import Postings
from attribution.data.training_set import TrainingSet, values_of
from attribution.data.words import COMMON, words
from attribution.results import Ranking

CAPTION = ""  # the column of a word, or of two that follow each other
NO_VALUE = "none"  # what `values_of` gives of an empty column: nothing that images share


class Fact(NamedTuple):
    """A value of a column of the metadata, or words of the captions; true of some training images."""

    column: str
    value: str


@dataclass(frozen=True)
class SharedFact:
    """A fact that more of the first images share than chance would give.

    Attributes:
        first, top: it is true of `first` of the first `top` images.
        low, high: Wilson's 95% interval of their share.
        base: the share of the whole training set that it is true of.
        p: how likely chance gives as much, for this fact alone.
        facts: that there are in the training set: any of them could have been shared.
    """

    fact: Fact
    first: int
    top: int
    low: float
    high: float
    base: float
    p: float
    facts: int


def most_shared(ranking: Ranking, top: int = TOP) -> SharedFact | None:
    """The fact of the first `top` images that chance is least likely to give; None if chance gives as much.

    Chance is as many images, drawn from the whole training set without looking (Fisher's exact test,
    one-sided). A fact counts if that is less likely than 5% over all facts of the training set
    (Bonferroni): something is always shared by somebody. Of facts that are true of as many, a column
    comes before words, and long words before short ones.
    """
    training_set, top = ranking.training_set, min(top, len(ranking))
    everywhere = everywhere_in(training_set)
    first = Counter(fact for row in ranking.rows[:top] for fact in facts_of(training_set, int(row)))
    found = [
        (_by_chance(count, top, everywhere.images(fact), len(training_set)), fact)
        for fact, count in first.items()
        if count > 1
    ]
    if not found:
        return None
    p, fact = min(found, key=lambda each: (each[0], *_order(each[1])))
    if p * everywhere.facts >= 1 - LEVEL:
        return None
    low, high = wilson(first[fact], top)
    base = everywhere.images(fact) / len(training_set)
    return SharedFact(fact, first[fact], top, low, high, base, p, everywhere.facts)


@dataclass(frozen=True)
class Everywhere:
    """The facts of a whole training set: how many there are, and of how many images each is true.

    Attributes:
        usual: words that are common to the captions.
        facts: how many there are.
    """

    training_set: TrainingSet
    usual: frozenset[str]
    facts: int

    @classmethod
    def of(cls, training_set: TrainingSet) -> Everywhere:
        """Look at no row: values, words and pairs of words were counted when the set was scanned."""
        usual = frozenset(training_set.words_in_more_than(COMMON))
        terms = training_set.caption_words.postings
        left_out = np.zeros(len(terms.places), bool)
        left_out[[terms.places[word] for word in usual]] = True
        values = sum(len(set(own.places) - {NO_VALUE}) for own in _columns(training_set).values())
        pairs = training_set.word_pairs.number_without(left_out)
        return cls(training_set, usual, values + int((~left_out).sum()) + pairs)

    def images(self, fact: Fact) -> int:
        """Of how many images a fact is true that is true of one."""
        if fact.column != CAPTION:
            return len(self.training_set.groupings[fact.column].of(fact.value))
        terms = self.training_set.caption_words.postings
        first, *second = (terms.places[word] for word in fact.value.split(" "))
        return self.training_set.word_pairs.count(first, *second) if second else int(terms.counts[first])


@lru_cache(maxsize=4)
def everywhere_in(training_set: TrainingSet) -> Everywhere:
    """Return a training set's facts, as they are when first asked for."""
    return Everywhere.of(training_set)


def facts_of(training_set: TrainingSet, row: int) -> Iterator[Fact]:
    """What is true of one image, each once: its metadata, its words, and any two that follow each other.

    Words that are common to the captions say nothing, and a pair with one of them no more than the other.
    """
    example = training_set.examples[row]
    for column in _columns(training_set):
        for value in values_of(example, column):
            if value != NO_VALUE:
                yield Fact(column, value)
    said, usual = words(example.caption), everywhere_in(training_set).usual
    for term in dict.fromkeys([*zip(said), *pairwise(said)]):
        if usual.isdisjoint(term):
            yield Fact(CAPTION, " ".join(term))


def _columns(training_set: TrainingSet) -> Mapping[str, Postings]:
    """Those that a fact can be of: one without a name has no words for it."""
    return {name: own for name, own in training_set.groupings.items() if name != CAPTION}


def _order(fact: Fact) -> tuple[bool, int, Fact]:
    """Of facts that are true of as many images, the least is named."""
    return fact.column == CAPTION, -len(fact.value), fact


def _by_chance(count: int, top: int, images: int, of: int) -> float:
    """How likely `count` or more of `top` images drawn at random from all are among `images`."""
    return float(hypergeom.sf(count - 1, of, images, top))
