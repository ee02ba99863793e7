"""A training set looked through by words and by columns: which rows have each, as search engines keep it.

Made once, in one pass over all examples; after that a question costs some arrays of a boolean a row, and no
row is looked at in Python.
"""

from __future__ import annotations

import math
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

from attribution.data.columns import listed
from attribution.data.training_set import Example, TrainingSet
from attribution.data.words import words
from attribution.errors import SettingsError

NONE = "none"  # what an image without a value in a column counts as
BEGINS = "*"  # ends a word of which only the beginning is asked for
RANGE = re.compile(r"\s*(-?[\d.eE+]*?)\s*\.\.\s*(-?[\d.eE+]*)\s*")  # 2..5, 2.. and ..5, of numbers


@dataclass(frozen=True)
class Filter:
    """A value that a column should have; of a column of numbers, `2..5` is a range with its ends."""

    column: str
    value: str


@dataclass(frozen=True)
class Postings:
    """Which rows have each of some terms, each row once for a term.

    Attributes:
        places: of the terms, in the order in which they were met.
        starts: where the rows of each place begin; one more, for where the last ones end.
        rows: by place, ascending.
    """

    places: Mapping[str, int]
    starts: Int64[ndarray, " terms_and_end"]
    rows: Int64[ndarray, " entries"]

    @classmethod
    def of_terms(cls, terms: Iterable[Iterable[str]]) -> Postings:
        """The postings of the terms of each row, in the rows' order."""
        places: dict[str, int] = {}
        met, rows = array("q"), array("q")
        for row, own in enumerate(terms):
            for term in dict.fromkeys(own):
                met.append(places.setdefault(term, len(places)))
                rows.append(row)
        of_entries = np.frombuffer(met, np.int64) if met else np.empty(0, np.int64)
        order = np.argsort(of_entries, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(of_entries, minlength=len(places)))])
        found = np.frombuffer(rows, np.int64)[order] if rows else np.empty(0, np.int64)
        return cls(places, starts.astype(np.int64), found)

    def of(self, term: str) -> Int64[ndarray, " k"]:
        """The rows that have a term, ascending; none for one that no row has."""
        place = self.places.get(term)
        if place is None:
            return self.rows[:0]
        return self.rows[self.starts[place] : self.starts[place + 1]]

    def beginning_with(self, start: str) -> Iterator[str]:
        """The terms that begin so."""
        for term in self._sorted[bisect_left(self._sorted, start) :]:
            if not term.startswith(start):
                return
            yield term

    @cached_property
    def terms(self) -> list[str]:
        """All terms, by place."""
        return list(self.places)

    @cached_property
    def counts(self) -> Int64[ndarray, " terms"]:
        """How many rows have each term, by place."""
        return np.diff(self.starts)

    def counts_among(self, chosen: Bool[ndarray, " examples"]) -> Int64[ndarray, " terms"]:
        """How many of the chosen rows have each term, by place."""
        if not len(self.places):
            return self.counts
        return np.add.reduceat(chosen[self.rows].astype(np.int64), self.starts[:-1])

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self.places)


@dataclass(frozen=True)
class Column:
    """A column of the metadata.

    Attributes:
        values: the postings of its values; of a list, of each thing in it.
        numbers: of a column that holds nothing but numbers, each row's (NaN without one); None of others.
    """

    name: str
    values: Postings
    numbers: Float64[ndarray, " examples"] | None


@dataclass(frozen=True)
class Catalogue:
    """A training set by its words and columns.

    Attributes:
        images: how many there are.
        captions: the postings of the words of captions; facts: of those of the metadata.
        columns: those in which images differ, in the order in which they were met.
    """

    images: int
    captions: Postings
    facts: Postings
    columns: Mapping[str, Column]

    @classmethod
    def of(cls, training_set: TrainingSet) -> Catalogue:
        """One pass over all examples for each column, and two for the words."""
        examples = training_set.examples
        names = dict.fromkeys(name for example in examples for name in example.metadata)
        columns = {name: _column(examples, name) for name in names}
        return cls(
            len(training_set),
            Postings.of_terms(map(words, training_set.captions)),
            Postings.of_terms(_fact_words(example) for example in examples),
            {name: column for name, column in columns.items() if len(column.values.places) > 1},
        )

    def chosen(self, asked: str = "", filters: Sequence[Filter] = ()) -> Bool[ndarray, " examples"]:
        """Which rows have all words, in captions or metadata, and the values that columns should have.

        Of several values of one column any will do. `rock*` asks for any word that begins so.

        Raises:
            SettingsError: there is no such column, or no such value in it.
        """
        found = np.ones(self.images, bool)
        for word in asked.split():
            *whole, last = words(word) or [""]
            for each in whole:
                found &= self._with_word(each, begins=False)
            if last:
                found &= self._with_word(last, word.endswith(BEGINS))
        for column in dict.fromkeys(each.column for each in filters):
            found &= self._with_value(column, [each.value for each in filters if each.column == column])
        return found

    def column(self, name: str) -> Column:
        """A column by its name.

        Raises:
            SettingsError: there is none, or all images have the same in it.
        """
        if name not in self.columns:
            raise SettingsError(
                f"the training set cannot be filtered by {name!r}: choose from {listed(self.columns)}"
            )
        return self.columns[name]

    def _with_word(self, word: str, begins: bool) -> Bool[ndarray, " examples"]:
        found = np.zeros(self.images, bool)
        for postings in (self.captions, self.facts):
            for term in postings.beginning_with(word) if begins else (word,):
                found[postings.of(term)] = True
        return found

    def _with_value(self, name: str, values: Sequence[str]) -> Bool[ndarray, " examples"]:
        column, found = self.column(name), np.zeros(self.images, bool)
        for value in values:
            if value in column.values.places:
                found[column.values.of(value)] = True
            else:
                found |= _in_range(column, value)
        return found


def values_of(example: Example, column: str) -> tuple[str, ...]:
    """The values that an image has in a column: one, or several where the column holds a list.

    A list of objects counts by their names. An image without a value counts as "none".
    """
    value = example.metadata.get(column)
    if isinstance(value, list):
        named = [v.get("name") if isinstance(v, dict) else v for v in value]
        return tuple(dict.fromkeys(str(v) for v in named if _is_plain(v))) or (NONE,)
    return (str(value),) if _is_plain(value) else (NONE,)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool) and value != ""


def _column(examples: Sequence[Example], name: str) -> Column:
    own = [example.metadata.get(name) for example in examples]
    read = [math.nan if value in (None, "") else _number(value) for value in own]
    numbers = None if None in read else np.array(read, np.float64)
    if numbers is not None and np.isnan(numbers).all():
        numbers = None
    return Column(name, Postings.of_terms(values_of(example, name) for example in examples), numbers)


def _number(value: Any) -> float | None:
    """What a value is as a number, in a table of texts too; None for what is none."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _fact_words(example: Example) -> Iterator[str]:
    """The words of an example's metadata; fractions are no words."""
    for column, value in example.metadata.items():
        if not isinstance(value, float) and value is not None:
            for each in values_of(example, column):
                yield from words(each)


def _in_range(column: Column, value: str) -> Bool[ndarray, " examples"]:
    asked = RANGE.fullmatch(value)
    if column.numbers is None or asked is None:
        raise SettingsError(f"no training image has {value!r} in the column {column.name!r}")
    try:
        low, high = float(asked[1] or -math.inf), float(asked[2] or math.inf)
    except ValueError:
        raise SettingsError(f"{value!r} is no range: write it as 2..5, 2.. or ..5") from None
    return (column.numbers >= low) & (column.numbers <= high)
