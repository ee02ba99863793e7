"""Which captions have each word, and how often: what a search by words and BM25 read."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int, Int64
from numpy import ndarray

from attribution.data.postings import Postings
from attribution.data.words import words


def places_of_words(
    captions: Iterable[str], places: Mapping[str, int]
) -> tuple[Int64[ndarray, " words"], Int64[ndarray, " captions"]]:
    """The place of every word, as captions say them one after the other, and how many words each has."""
    met, lengths = array("q"), array("q")
    for caption in captions:
        own = words(caption)
        met.extend(map(places.__getitem__, own))
        lengths.append(len(own))
    return np.array(met, np.int64), np.array(lengths, np.int64)


@dataclass(frozen=True)
class CaptionWords:
    """The words of some captions.

    Attributes:
        postings: the words in the order of their characters, and the captions that have each.
        again: the entries of the postings whose caption has its word more than once, ascending.
        times: how often each of those has it.
        captions: how many there are, with words and without.
    """

    postings: Postings
    again: Int[ndarray, " repeated"]
    times: Int[ndarray, " repeated"]
    captions: int

    @classmethod
    def of(cls, captions: Iterable[str]) -> CaptionWords:
        """Read all captions, once."""
        places = defaultdict[str, int]()
        places.default_factory = places.__len__
        met, lengths = places_of_words(captions, places)
        terms = sorted(places)
        in_order = np.empty(len(terms), np.int64)
        in_order[[places[term] for term in terms]] = np.arange(len(terms))
        of_words = in_order[met]
        rows = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        return cls._sorted(terms, of_words, rows, len(lengths))

    @classmethod
    def _sorted(
        cls,
        terms: list[str],
        of_words: Int64[ndarray, " words"],
        rows: Int[ndarray, " words"],
        captions: int,
    ) -> CaptionWords:
        """Join what a caption says more than once, of all words in the captions' order."""
        order = np.argsort(of_words, kind="stable")
        of_words, rows = of_words[order], rows[order]
        new = np.ones(len(rows), bool)
        new[1:] = (of_words[1:] != of_words[:-1]) | (rows[1:] != rows[:-1])
        entries = np.flatnonzero(new)
        times = np.diff(entries, append=len(rows))
        starts = np.searchsorted(of_words[entries], np.arange(len(terms) + 1))
        places = {term: place for place, term in enumerate(terms)}
        again = np.flatnonzero(times > 1)
        return cls(Postings(places, starts, rows[entries]), again, times[again], captions)

    def having(self, word: str) -> tuple[Int[ndarray, " k"], Int64[ndarray, " k"]]:
        """The captions that have a word, ascending, and how often each of them has it."""
        place = self.postings.places.get(word)
        rows = self.postings.of(word)
        times = np.ones(len(rows), np.int64)
        if place is not None:
            start, end = self.postings.starts[place : place + 2]
            own = slice(*np.searchsorted(self.again, [start, end]))
            times[self.again[own] - start] = self.times[own]
        return rows, times

    @cached_property
    def lengths(self) -> Int64[ndarray, " captions"]:
        """How many words each caption has; one that it has twice counts twice."""
        lengths = np.bincount(self.postings.rows, minlength=self.captions)
        np.add.at(lengths, self.postings.rows[self.again], self.times - 1)
        return lengths

    @property
    def counts(self) -> dict[str, int]:
        """In how many captions each word is."""
        return dict(zip(self.postings.places, self.postings.counts.tolist(), strict=True))

    @cached_property
    def mean_length(self) -> float:
        """How many words a caption has on average."""
        return float(self.lengths.mean())
