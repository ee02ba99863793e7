"""What the metadata of a training set says: which rows have each of its words and values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from attribution.data.postings import Postings, values_in
from attribution.data.words import words

# One pass over the metadata of all rows, in their order.
Pass = Callable[[], Iterable[Mapping[str, Any]]]


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
class Facts:
    """What the metadata of all rows says.

    Attributes:
        words: the postings of its words, in the order of their characters.
        columns: those in which images differ, in the order in which they were met.
    """

    words: Postings
    columns: Mapping[str, Column]

    @classmethod
    def of(cls, each_metadata: Pass) -> Facts:
        """One pass for each column, one for their names, and one for their words."""
        names = dict.fromkeys(name for metadata in each_metadata() for name in metadata)
        columns = {name: _column(each_metadata, name) for name in names}
        return cls(
            Postings.of_terms(map(_words, each_metadata())).in_order(),
            {name: column for name, column in columns.items() if len(column.values.places) > 1},
        )


def _column(each_metadata: Pass, name: str) -> Column:
    own = [metadata.get(name) for metadata in each_metadata()]
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


def _words(metadata: Mapping[str, Any]) -> Iterator[str]:
    """The words of an example's metadata; fractions are no words."""
    for value in metadata.values():
        if not isinstance(value, float) and value is not None:
            for each in values_in(value):
                yield from words(each)
