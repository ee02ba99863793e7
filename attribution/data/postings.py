"""Which rows of a training set have each of some terms, as search engines keep it: words, or values."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Int64
from numpy import ndarray

NONE = "none"  # what an image without a value in a column counts as
LAST = "\U0010ffff"  # comes after every character of a word
MOST_VALUES = 500  # of a column that can be grouped by


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
    rows: Int[ndarray, " entries"]

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

    @classmethod
    def of_rows(cls, rows: Mapping[str, Sequence[int]]) -> Postings:
        """The postings of some terms, the rows of each ascending."""
        places = {term: place for place, term in enumerate(rows)}
        starts = np.cumsum([0, *map(len, rows.values())], dtype=np.int64)
        return cls(places, starts, np.concatenate([np.fromiter(own, np.int64) for own in rows.values()]))

    def of(self, term: str) -> Int[ndarray, " k"]:
        """The rows that have a term, ascending; none for one that no row has."""
        place = self.places.get(term)
        if place is None:
            return self.rows[:0]
        return self.rows[self.starts[place] : self.starts[place + 1]]

    def beginning_with(self, start: str) -> Int[ndarray, " k"]:
        """The rows that have a term that begins so, of terms in the order of their characters.

        A row is there once for each such term.
        """
        first, end = (bisect_left(self.terms, bound) for bound in (start, start + LAST))
        return self.rows[self.starts[first] : self.starts[end]]

    def in_order(self) -> Postings:
        """The same, with the terms in the order of their characters."""
        order = np.asarray(sorted(range(len(self.terms)), key=self.terms.__getitem__), np.int64)
        places = {self.terms[old]: new for new, old in enumerate(order.tolist())}
        counts = self.counts[order]
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        entries = np.arange(len(self.rows)) + np.repeat(self.starts[:-1][order] - starts[:-1], counts)
        return Postings(places, starts, self.rows[entries])

    @cached_property
    def terms(self) -> Sequence[str]:
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


def values_in(value: Any) -> tuple[str, ...]:
    """The values that an image has in a column: one, or several where the column holds a list.

    A list of objects counts by their names. An image without a value counts as "none".
    """
    if isinstance(value, list):
        named = [v.get("name") if isinstance(v, dict) else v for v in value]
        return tuple(dict.fromkeys(str(v) for v in named if _is_plain(v))) or (NONE,)
    return (str(value),) if _is_plain(value) else (NONE,)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool) and value != ""


def groupings_of(metadata: Iterable[Mapping[str, Any]], total: int) -> dict[str, Postings]:
    """The columns that `total` images can be grouped by, with the rows of each value.

    They have at least two values among the images that have them at all, at most `MOST_VALUES`, and fewer
    than there are images.
    """
    met: dict[str, dict[str, array[int]] | None] = {}
    most = min(MOST_VALUES, total - 1)
    for row, columns in enumerate(metadata):
        for column, held in columns.items():
            own = met.setdefault(column, {})
            if own is None:
                continue
            for value in values_in(held):
                own.setdefault(value, array("q")).append(row)
            if len(own) > most:
                met[column] = None
    kept = {column: own for column, own in met.items() if own is not None and len(own) >= 2}
    return {column: Postings.of_rows(_with_none(own, total)) for column, own in kept.items()}


def _with_none(values: Mapping[str, Sequence[int]], total: int) -> Mapping[str, Sequence[int]]:
    """The rows of each value, and under `NONE` those that have none at all as well."""
    without = np.ones(total, bool)
    for rows in values.values():
        without[np.asarray(rows)] = False
    if not without.any():
        return values
    return {**values, NONE: sorted([*values.get(NONE, ()), *np.flatnonzero(without).tolist()])}
