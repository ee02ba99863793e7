"""A training set whose rows lie in a table: it is opened without an object, or a loop, for each row.

What is looked up is sorted when the table is written: ids, file names, and the words of the captions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, SupportsIndex, overload

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from attribution.data.caption_words import CaptionWords
from attribution.data.columnar import (
    DATA,
    PLACES,
    Columns,
    InOrder,
    Texts,
    alphabetical,
    mapped_columns,
    texts_column,
)
from attribution.data.facts import Facts
from attribution.data.pictures import Packed, Pictures, Place
from attribution.data.postings import Postings, groupings_of
from attribution.data.stored_facts import facts_columns, pairs_columns, stored_facts, stored_pairs
from attribution.data.stored_postings import (
    STARTS,
    WORD,
    postings_columns,
    stored_postings,
    stored_words,
    words_columns,
)
from attribution.data.training_set import Example, TrainingSet
from attribution.data.word_pairs import WordPairs
from attribution.errors import TrainingSetError

BY_ID, BY_FILE = "rows by id", "rows by file"
OTHERS = "further captions"  # a column only where a picture has some
GROUPED = "columns to group by"  # the values of each, by its number, stand under GROUP
GROUP = "values of column {}"
SHA256, SHARD, PLACE, HELD = "sha256", "shard", "place", "captions with the word"


def columns_of_set(training_set: TrainingSet, pictures: Packed) -> Columns:
    """Return all that is known of a training set in shards, as it is stored."""
    examples = training_set.examples
    places = [pictures.places[each.file_name] for each in examples]
    names = [each.file_name for each in examples]
    others = (json.dumps(each.others) for each in examples) if training_set.most_captions > 1 else None
    grouped: Columns = {}
    for number, postings in enumerate(training_set.groupings.values()):
        grouped |= postings_columns(GROUP.format(number), postings)
    return {
        **({} if others is None else texts_column(OTHERS, others)),
        **texts_column(GROUPED, training_set.groupings),
        **grouped,
        **texts_column("id", training_set.ids),
        **texts_column("file", names),
        **texts_column("caption", training_set.captions),
        **texts_column("metadata", (json.dumps(dict(each.metadata)) for each in examples)),
        **words_columns(training_set.caption_words),
        **facts_columns(training_set.facts),
        **pairs_columns(training_set.word_pairs),
        HELD: training_set.caption_words.postings.counts,
        BY_ID: alphabetical(training_set.ids),
        BY_FILE: alphabetical(names),
        SHA256: np.frombuffer(bytes.fromhex("".join(each.sha256 for each in examples)), np.uint8),
        SHARD: np.asarray([shard for shard, _ in places], np.int64),
        PLACE: np.asarray([place for _, place in places], np.int64),
    }


class Table(Sequence[Example]):
    """The rows; each is an object when it is looked at.

    Raises:
        ValueError: the columns do not belong together.
    """

    def __init__(self, columns: Columns, rows: int, shards: int):
        self.ids, self.file_names = Texts(columns, "id"), Texts(columns, "file")
        self.captions, self._metadata = Texts(columns, "caption"), Texts(columns, "metadata")
        self.words = Texts(columns, WORD)
        self.others = Texts(columns, OTHERS) if f"{OTHERS} {PLACES}" in columns else None
        shapes = {
            BY_ID: (rows,), BY_FILE: (rows,), SHARD: (rows,), PLACE: (rows, 2), SHA256: (32 * rows,),
            HELD: (len(self.words),),
        }  # fmt: skip
        for name, shape in shapes.items():
            if name not in columns or columns[name].shape != shape:
                raise ValueError(f"its column {name!r} is not of {rows} rows")
        texts = (self.ids, self.file_names, self.captions, self._metadata, self.others)
        if {len(each) for each in texts if each is not None} != {rows}:
            raise ValueError(f"its texts are not of {rows} rows")
        for name, limit in ((BY_ID, rows), (BY_FILE, rows), (SHARD, shards)):
            if rows and not 0 <= columns[name].min() <= columns[name].max() < limit:
                raise ValueError(f"its column {name!r} leads out of the set")
        self.by_id, self.by_file = columns[BY_ID], columns[BY_FILE]
        self.shards, self.places, self.held = columns[SHARD], columns[PLACE], columns[HELD]
        self._sha256 = columns[SHA256].reshape(rows, 32)
        self._columns = columns

    def each_metadata(self) -> Iterator[dict[str, Any]]:
        """The further columns of every row, in order, and nothing else of it."""
        return (_stored(text, dict) for text in self._metadata)

    @cached_property
    def groupings(self) -> Mapping[str, Postings]:
        """The columns that images can be grouped by; counted now, of a table that was written without.

        Raises:
            TrainingSetError: they are damaged.
        """
        if f"{GROUPED} {DATA}" not in self._columns:
            return groupings_of(self.each_metadata(), len(self))
        try:
            names = tuple(Texts(self._columns, GROUPED))
            found = (stored_postings(self._columns, GROUP.format(k), len(self)) for k in range(len(names)))
            return dict(zip(names, found, strict=True))
        except ValueError as problem:
            raise _damaged(problem) from None

    @cached_property
    def facts(self) -> Facts:
        """What the metadata says; read now, of a table that was written without.

        Raises:
            TrainingSetError: it is damaged.
        """
        try:
            found = stored_facts(self._columns, len(self))
        except ValueError as problem:
            raise _damaged(problem) from None
        return Facts.of(self.each_metadata) if found is None else found

    @cached_property
    def word_pairs(self) -> WordPairs:
        """Which two words follow each other in captions; read now, of a table that was written without.

        Raises:
            TrainingSetError: they are damaged.
        """
        try:
            found = stored_pairs(self._columns, len(self.words))
        except ValueError as problem:
            raise _damaged(problem) from None
        return WordPairs.of(self.captions, self.caption_words) if found is None else found

    @cached_property
    def caption_words(self) -> CaptionWords:
        """Which captions have each word; read from them now, of a table that was written without.

        Raises:
            TrainingSetError: it is damaged.
        """
        if f"{WORD} {STARTS}" not in self._columns:
            return CaptionWords.of(self.captions)
        try:
            return stored_words(self._columns, len(self))
        except ValueError as problem:
            raise _damaged(problem) from None

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Example, ...]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Example | tuple[Example, ...]:
        if isinstance(index, slice):
            return tuple(self[row] for row in range(*index.indices(len(self))))
        row = range(len(self))[index]
        name, caption = self.file_names[row], self.captions[row]
        sha256 = self._sha256[row].tobytes().hex()
        metadata: dict[str, Any] = _stored(self._metadata[row], dict)
        others = () if self.others is None else tuple(_stored(self.others[row], list))
        return Example(row, self.ids[row], name, caption, sha256, metadata, others)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table | tuple) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # as a list has none


def _damaged(problem: ValueError) -> TrainingSetError:
    return TrainingSetError(
        f"the training set's table is damaged: {problem}; run `python -m precompute init --workspace DIR`"
    )


def _stored(text: str, kind: type[Any]) -> Any:
    """What JSON holds, of a kind that it should be."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, kind):
        raise TrainingSetError(
            "a row of the training set's table is damaged: run `python -m precompute init --workspace DIR`"
        )
    return found


class PlacesByName(Mapping[str, tuple[int, Place]]):
    """Where each picture lies, by its file name."""

    def __init__(self, table: Table):
        self._table = table
        self._names = InOrder(table.file_names, table.by_file)

    def row_of(self, name: str) -> int | None:
        """Return the first row of a file name; None if there is none."""
        return self._names.row_of(name)

    def __getitem__(self, name: str) -> tuple[int, Place]:
        row = self.row_of(name)
        if row is None:
            raise KeyError(name)
        first, second = self._table.places[row].tolist()
        return int(self._table.shards[row]), (first, second)

    def __iter__(self) -> Iterator[str]:
        return iter(self._table.file_names)

    def __len__(self) -> int:
        return len(self._table)


class TableSet(TrainingSet):
    """A training set whose rows lie in a table.

    Args:
        fingerprint: as it was when the table was written.
        places: of the table's pictures.
    """

    def __init__(
        self,
        folder: Path,
        table: Table,
        metadata_sha256: str,
        pictures: Pictures,
        shards: Mapping[str, str],
        fingerprint: str,
        places: PlacesByName,
    ):
        self.folder, self.metadata_sha256 = folder, metadata_sha256
        self.pictures, self.shards = pictures, dict(shards)
        self.examples, self.ids, self.captions = table, table.ids, table.captions
        self.fingerprint = fingerprint
        self._table, self._files = table, places
        self._ids = InOrder(table.ids, table.by_id)
        self._words = InOrder(table.words, np.arange(len(table.words)))

    @cached_property
    def most_captions(self) -> int:
        return 1 if self._table.others is None else super().most_captions

    def row_of_id(self, example_id: str) -> int | None:
        return self._ids.row_of(example_id)

    def row_of_file(self, file_name: str) -> int | None:
        return self._files.row_of(file_name)

    @property
    def rows_by_id(self) -> Int64[ndarray, " examples"]:
        return self._table.by_id

    def has_word(self, word: str) -> bool:
        return self._words.row_of(word) is not None

    def each_metadata(self) -> Iterator[Mapping[str, Any]]:
        return self._table.each_metadata()

    @property
    def groupings(self) -> Mapping[str, Postings]:
        return self._table.groupings

    @property
    def caption_words(self) -> CaptionWords:
        return self._table.caption_words

    @property
    def facts(self) -> Facts:
        return self._table.facts

    @property
    def word_pairs(self) -> WordPairs:
        return self._table.word_pairs

    @property
    def word_counts(self) -> dict[str, int]:
        return dict(zip(self._table.words, self._table.held.tolist(), strict=True))

    def words_in_more_than(self, share: float) -> set[str]:
        common = np.flatnonzero(self._table.held > share * len(self))
        return {self._table.words[int(row)] for row in common}


def read_table(path: Path, rows: int, shards: int) -> Table:
    """Open a table.

    Raises:
        TrainingSetError: it is damaged.
    """
    try:
        return Table(mapped_columns(path), rows, shards)
    except (OSError, ValueError) as problem:
        raise TrainingSetError(f"{path} is damaged: {problem}") from None
