"""Postings as the columns of a training set's table. Apart, since results need no reader of files."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int, Int64
from numpy import ndarray

from attribution.data.caption_words import CaptionWords
from attribution.data.columnar import Columns, Texts, texts_column
from attribution.data.postings import Postings

STARTS, ROWS = "starts", "rows"  # after their name
WORD = "word"  # the name of the postings of captions' words
AGAIN, TIMES = f"{WORD} again", f"{WORD} times"


def postings_columns(name: str, postings: Postings) -> Columns:
    """Return postings as they are stored."""
    return {
        **texts_column(name, postings.terms),
        f"{name} {STARTS}": postings.starts,
        f"{name} {ROWS}": postings.rows.astype(np.int32),
    }


def stored_postings(columns: Mapping[str, ndarray], name: str, total: int) -> Postings:
    """Return postings that were stored; their rows stay where they are mapped.

    Args:
        total: rows of the training set.

    Raises:
        ValueError: they are damaged.
    """
    texts, starts, rows = checked_postings(columns, name, total)
    places = {term: place for place, term in enumerate(texts)}
    if len(places) != len(texts):
        raise ValueError(f"a value of {name!r} is there twice")
    return Postings(places, starts, rows)


def checked_postings(
    columns: Mapping[str, ndarray], name: str, total: int
) -> tuple[Texts, Int64[ndarray, " terms_and_end"], Int[ndarray, " entries"]]:
    """Return the terms, starts and rows of postings that were stored, where they are mapped.

    Raises:
        ValueError: they are damaged.
    """
    terms = Texts(columns, name)
    starts, rows = columns.get(f"{name} {STARTS}"), columns.get(f"{name} {ROWS}")
    if starts is None or rows is None or starts.shape != (len(terms) + 1,) or rows.ndim != 1:
        raise ValueError(f"it has no rows of {name!r}")
    if starts[0] != 0 or starts[-1] != len(rows) or (np.diff(starts) < 0).any():
        raise ValueError(f"the rows of {name!r} are not where they should be")
    if len(rows) and not 0 <= rows.min() <= rows.max() < total:
        raise ValueError(f"the rows of {name!r} lead out of the set")
    return terms, np.asarray(starts, np.int64), rows


def words_columns(said: CaptionWords) -> Columns:
    """Return the words of captions as they are stored."""
    repeated: Columns = {AGAIN: said.again.astype(np.int64), TIMES: said.times.astype(np.int32)}
    return {**postings_columns(WORD, said.postings), **repeated}


def stored_words(columns: Mapping[str, ndarray], captions: int) -> CaptionWords:
    """Return what was stored of some captions.

    Raises:
        ValueError: it is damaged.
    """
    postings = stored_postings(columns, WORD, captions)
    again, times = columns.get(AGAIN), columns.get(TIMES)
    if again is None or times is None or again.ndim != 1 or again.shape != times.shape:
        raise ValueError("it does not say how often captions have a word")
    if len(again) and not (again[0] >= 0 and again[-1] < len(postings.rows) and (np.diff(again) > 0).all()):
        raise ValueError("the words that captions repeat are not where they should be")
    if (times < 2).any():
        raise ValueError("words are repeated less than once")
    return CaptionWords(postings, again, times, captions)
