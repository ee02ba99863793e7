"""A training set looked through by words and by columns: which rows have each, as search engines keep it.

Made once, in one pass over all examples; after that a question costs some arrays of a boolean a row, and no
row is looked at in Python.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from attribution.data.columns import listed
from attribution.data.postings import Postings, values_in
from attribution.data.training_set import TrainingSet
from attribution.data.words import words
from attribution.errors import SettingsError

BEGINS = "*"  # ends a word of which only the beginning is asked for
RANGE = re.compile(r"\s*(-?[\d.eE+]*?)\s*\.\.\s*(-?[\d.eE+]*)\s*")  # 2..5, 2.. and ..5, of numbers


@dataclass(frozen=True)
class Filter:
    """A value that a column should have; of a column of numbers, `2..5` is a range with its ends."""

    column: str
    value: str


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
        """One pass over all metadata for each column, one for their names, and one for their words."""
        names = dict.fromkeys(name for metadata in training_set.each_metadata() for name in metadata)
        columns = {name: _column(training_set, name) for name in names}
        return cls(
            len(training_set),
            training_set.caption_words.postings,
            Postings.of_terms(map(_fact_words, training_set.each_metadata())),
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


def _column(training_set: TrainingSet, name: str) -> Column:
    own = [metadata.get(name) for metadata in training_set.each_metadata()]
    read = [math.nan if value in (None, "") else _number(value) for value in own]
    numbers = None if None in read else np.array(read, np.float64)
    if numbers is not None and np.isnan(numbers).all():
        numbers = None
    return Column(name, Postings.of_terms(map(values_in, own)), numbers)


def _number(value: Any) -> float | None:
    """What a value is as a number, in a table of texts too; None for what is none."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _fact_words(metadata: Mapping[str, Any]) -> Iterator[str]:
    """The words of an example's metadata; fractions are no words."""
    for value in metadata.values():
        if not isinstance(value, float) and value is not None:
            for each in values_in(value):
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
