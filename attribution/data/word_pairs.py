"""Which two words follow each other in captions, and in how many: what the first images say in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, Int64
from numpy import ndarray

from attribution.data.caption_words import CaptionWords, places_of_words


@dataclass(frozen=True)
class WordPairs:
    """Every two words that follow each other in a caption.

    Attributes:
        words: how many there are.
        pairs: (the first one's place among the words) * `words` + the second one's, ascending.
        captions: in how many captions each pair is.
    """

    words: int
    pairs: Int64[ndarray, " pairs"]
    captions: Int[ndarray, " pairs"]

    @classmethod
    def of(cls, captions: Iterable[str], said: CaptionWords) -> WordPairs:
        """Read all captions, whose words are known, once."""
        known = {word: place for place, word in enumerate(said.postings.terms)}
        met, lengths = places_of_words(captions, known)
        rows = np.repeat(np.arange(len(lengths)), lengths)
        together = rows[1:] == rows[:-1]
        pairs, rows = (met[:-1] * len(known) + met[1:])[together], rows[1:][together]
        order = np.lexsort((rows, pairs))
        pairs, rows = pairs[order], rows[order]
        new = np.ones(len(pairs), bool)  # a caption counts once, however often it says them
        new[1:] = (pairs[1:] != pairs[:-1]) | (rows[1:] != rows[:-1])
        return cls(len(known), *np.unique(pairs[new], return_counts=True))

    def count(self, first: int, second: int) -> int:
        """In how many captions the words of two places follow each other."""
        pair = first * self.words + second
        found = int(np.searchsorted(self.pairs, pair))
        return int(self.captions[found]) if found < len(self.pairs) and self.pairs[found] == pair else 0

    def number_without(self, left_out: Bool[ndarray, " words"]) -> int:
        """How many pairs there are with none of some words."""
        first, second = np.divmod(self.pairs, max(1, self.words))
        return int(np.count_nonzero(~(left_out[first] | left_out[second])))
