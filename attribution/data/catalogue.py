"""A training set looked through by words and by columns: which rows have each, as search engines keep it.

A question costs some arrays of a boolean a row, and no row is looked at in Python.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from attribution.data.columns import listed
from attribution.data.facts import Column
from attribution.data.postings import Postings
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
        """What was found of a set that was scanned into a table; of others, all rows are read."""
        captions, facts = training_set.caption_words.postings, training_set.facts
        return cls(len(training_set), captions, facts.words, facts.columns)

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
            found[postings.beginning_with(word) if begins else postings.of(word)] = True
        return found

    def _with_value(self, name: str, values: Sequence[str]) -> Bool[ndarray, " examples"]:
        column, found = self.column(name), np.zeros(self.images, bool)
        for value in values:
            if value in column.values.places:
                found[column.values.of(value)] = True
            else:
                found |= _in_range(column, value)
        return found


def _in_range(column: Column, value: str) -> Bool[ndarray, " examples"]:
    asked = RANGE.fullmatch(value)
    if column.numbers is None or asked is None:
        raise SettingsError(f"no training image has {value!r} in the column {column.name!r}")
    try:
        low, high = float(asked[1] or -math.inf), float(asked[2] or math.inf)
    except ValueError:
        raise SettingsError(f"{value!r} is no range: write it as 2..5, 2.. or ..5") from None
    return (column.numbers >= low) & (column.numbers <= high)
