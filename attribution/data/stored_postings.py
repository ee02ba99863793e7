"""Postings as the columns of a training set's table. Apart, since results need no reader of files."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy import ndarray

from attribution.data.columnar import Columns, Texts, texts_column
from attribution.data.postings import Postings

STARTS, ROWS = "starts", "rows"  # after their name


def postings_columns(name: str, postings: Postings) -> Columns:
    """Return postings as they are stored."""
    return {
        **texts_column(name, postings.terms),
        f"{name} {STARTS}": postings.starts,
        f"{name} {ROWS}": postings.rows.astype(np.int32),
    }


def stored_postings(columns: Mapping[str, ndarray], name: str, total: int) -> Postings:
    """Return postings that were stored.

    Args:
        total: rows of the training set.

    Raises:
        ValueError: they are damaged.
    """
    terms = tuple(Texts(columns, name))
    starts, rows = columns.get(f"{name} {STARTS}"), columns.get(f"{name} {ROWS}")
    if starts is None or rows is None or starts.shape != (len(terms) + 1,) or rows.ndim != 1:
        raise ValueError(f"it has no rows of {name!r}")
    if starts[0] != 0 or starts[-1] != len(rows) or (np.diff(starts) < 0).any():
        raise ValueError(f"the rows of {name!r} are not where they should be")
    if len(rows) and not 0 <= rows.min() <= rows.max() < total:
        raise ValueError(f"the rows of {name!r} lead out of the set")
    places = {term: place for place, term in enumerate(terms)}
    if len(places) != len(terms):
        raise ValueError(f"a value of {name!r} is there twice")
    return Postings(places, np.asarray(starts, np.int64), rows.astype(np.int64))
