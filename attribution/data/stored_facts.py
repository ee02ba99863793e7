"""What metadata and pairs of words say, as the columns of a training set's table.

A column may have another value in each row, such as an address: values are looked up where they are mapped,
in the order of their characters, and none is made until it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy import ndarray

from attribution.data.columnar import DATA, Columns, InOrder, Texts, alphabetical, texts_column
from attribution.data.facts import Column, Facts
from attribution.data.postings import Postings
from attribution.data.stored_postings import checked_postings, postings_columns
from attribution.data.word_pairs import WordPairs

WORDS, NAMED = "word of metadata", "columns to filter by"
VALUE, NUMBERS, ORDER = "value to filter by {}", "numbers to filter by {}", "by character"
PAIRS, IN_CAPTIONS = "pairs of words", "captions with the pair"


class _Places(Mapping[str, int]):
    """The places of terms, looked up among texts."""

    def __init__(self, terms: Texts, order: ndarray):
        self.terms, self._order = terms, InOrder(terms, order)

    def __getitem__(self, term: str) -> int:
        place = self._order.row_of(term)
        if place is None:
            raise KeyError(term)
        return place

    def __iter__(self) -> Iterator[str]:
        return iter(self.terms)

    def __len__(self) -> int:
        return len(self.terms)


class _MappedPostings(Postings):
    """Postings whose terms stay where they are mapped."""

    places: _Places

    @cached_property
    def terms(self) -> Sequence[str]:
        return self.places.terms


def facts_columns(facts: Facts) -> Columns:
    """Return what metadata says as it is stored."""
    stored = {**texts_column(NAMED, facts.columns), **_stored(WORDS, facts.words)}
    for number, column in enumerate(facts.columns.values()):
        stored |= _stored(VALUE.format(number), column.values)
        if column.numbers is not None:
            stored[NUMBERS.format(number)] = column.numbers
    return stored


def stored_facts(columns: Mapping[str, ndarray], total: int) -> Facts | None:
    """Return what was stored of so many rows; None of a table that was written without.

    Raises:
        ValueError: it is damaged.
    """
    if f"{NAMED} {DATA}" not in columns:
        return None
    found = {}
    for number, name in enumerate(Texts(columns, NAMED)):
        numbers = columns.get(NUMBERS.format(number))
        if numbers is not None and (numbers.shape != (total,) or numbers.dtype != np.float64):
            raise ValueError(f"the numbers of {name!r} are not of {total} rows")
        found[name] = Column(name, _mapped(columns, VALUE.format(number), total), numbers)
    return Facts(_mapped(columns, WORDS, total), found)


def pairs_columns(pairs: WordPairs) -> Columns:
    """Return pairs of words as they are stored."""
    return {PAIRS: pairs.pairs.astype(np.int64), IN_CAPTIONS: pairs.captions.astype(np.int32)}


def stored_pairs(columns: Mapping[str, ndarray], words: int) -> WordPairs | None:
    """Return the pairs of so many words that were stored; None of a table that was written without.

    Raises:
        ValueError: they are damaged.
    """
    pairs, captions = columns.get(PAIRS), columns.get(IN_CAPTIONS)
    if pairs is None or captions is None:
        return None
    if pairs.ndim != 1 or captions.shape != pairs.shape or (np.diff(pairs) <= 0).any():
        raise ValueError("its pairs of words are not where they should be")
    if len(pairs) and not 0 <= pairs[0] <= pairs[-1] < words * words:
        raise ValueError("its pairs of words are of other words")
    return WordPairs(words, pairs, captions)


def _stored(name: str, postings: Postings) -> Columns:
    order = alphabetical(postings.terms).astype(np.int32)
    return {**postings_columns(name, postings), f"{name} {ORDER}": order}


def _mapped(columns: Mapping[str, ndarray], name: str, total: int) -> Postings:
    terms, starts, rows = checked_postings(columns, name, total)
    order = columns.get(f"{name} {ORDER}")
    if order is None or order.shape != (len(terms),):
        raise ValueError(f"the values of {name!r} have no order")
    if len(order) and not 0 <= order.min() <= order.max() < len(order):
        raise ValueError(f"the order of {name!r} leads out of it")
    return _MappedPostings(_Places(terms, order), starts, rows)
