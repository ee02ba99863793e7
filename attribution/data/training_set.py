"""The captioned pictures that a model was trained on, in a fixed order. How they are read is elsewhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy import ndarray
from PIL import Image

from attribution.data.caption_words import CaptionWords
from attribution.data.facts import Facts
from attribution.data.images import read_image
from attribution.data.pictures import Files, Pictures
from attribution.data.postings import Postings, groupings_of, values_in
from attribution.data.word_pairs import WordPairs
from attribution.errors import TrainingSetError


@dataclass(frozen=True)
class Example:
    """One training image.

    Attributes:
        caption: what it is shown with, and differentiated with.
        sha256: of its file.
        metadata: all further columns.
        others: its further captions, where its loss is the mean over all.
    """

    row: int
    id: str
    file_name: str
    caption: str
    sha256: str
    metadata: Mapping[str, Any]
    others: tuple[str, ...] = ()


def values_of(example: Example, column: str) -> tuple[str, ...]:
    """The values that an image has in a column, see `values_in`."""
    return values_in(example.metadata.get(column))


class TrainingSet:
    """Captioned images in a fixed order. Row i of every per-example artifact is example i.

    Of very many, `attribution.data.table_set` makes no object for each.

    Args:
        folder: in which file names begin.
        metadata_sha256: see `attribution.data.metadata.Metadata`.
        pictures: where they lie; None where each is a file of the folder.
        shards: the sha256 of each file that holds them, by its name; none where each is a file.
    """

    def __init__(
        self,
        folder: Path,
        examples: Sequence[Example],
        metadata_sha256: str,
        pictures: Pictures | None = None,
        shards: Mapping[str, str] | None = None,
    ):
        self.folder = folder
        self.pictures = pictures or Files(folder)
        self.shards = dict(shards or {})
        self.examples: Sequence[Example] = tuple(examples)
        self.metadata_sha256 = metadata_sha256
        self.ids: Sequence[str] = tuple(example.id for example in self.examples)
        self.captions: Sequence[str] = tuple(example.caption for example in self.examples)

    def __len__(self) -> int:
        return len(self.examples)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of ids, captions and pictures, in order. Further columns do not count."""
        digest = hashlib.sha256()
        for example in self.examples:
            further = [list(example.others)] if example.others else []
            line = json.dumps([example.id, example.caption, example.sha256, *further])
            digest.update(line.encode() + b"\n")
        return digest.hexdigest()[:32]

    @cached_property
    def most_captions(self) -> int:
        """Over how many captions the loss of a training image is the mean, of the one that has most."""
        return 1 + max(len(example.others) for example in self.examples)

    @cached_property
    def _by_id(self) -> dict[str, int]:
        return {example.id: example.row for example in self.examples}

    @cached_property
    def _by_file(self) -> dict[str, int]:
        return {example.file_name: example.row for example in reversed(self.examples)}  # the first

    def row_of(self, name: str) -> int:
        """The row of an id or file name; an id comes first.

        Raises:
            TrainingSetError: there is no such example.
        """
        row = self.row_of_id(name)
        if row is None:
            row = self.row_of_file(name)
        if row is None:
            raise TrainingSetError(f"{name!r} is neither an id nor a file name of the training set")
        return row

    def row_of_id(self, example_id: str) -> int | None:
        """The row of an id; None if there is no such example (a file name is no id)."""
        return self._by_id.get(example_id)

    def row_of_file(self, file_name: str) -> int | None:
        """The first row of a file name; None if there is none."""
        return self._by_file.get(file_name)

    @cached_property
    def rows_by_id(self) -> Int64[ndarray, " examples"]:
        """All rows in the order of their ids."""
        return np.asarray(sorted(range(len(self)), key=self.ids.__getitem__), np.int64)

    @cached_property
    def places_of_ids(self) -> Int64[ndarray, " examples"]:
        """Where the id of each row comes among all ids in order: what ties are broken by."""
        places = np.empty(len(self), np.int64)
        places[self.rows_by_id] = np.arange(len(self))
        return places

    @cached_property
    def caption_words(self) -> CaptionWords:
        """Which captions have each word, and how often."""
        return CaptionWords.of(self.captions)

    @property
    def word_counts(self) -> Mapping[str, int]:
        """In how many captions each word is."""
        return self.caption_words.counts

    def has_word(self, word: str) -> bool:
        """Whether any caption has a word."""
        return word in self.caption_words.postings.places

    def words_in_more_than(self, share: float) -> set[str]:
        """The words that more than a share of all captions have."""
        return {word for word, count in self.word_counts.items() if count > share * len(self)}

    @cached_property
    def groupings(self) -> Mapping[str, Postings]:
        """The columns that images can be grouped by: which have each of their values."""
        return groupings_of(self.each_metadata(), len(self))

    @cached_property
    def facts(self) -> Facts:
        """What the metadata says: which rows have each of its words, and each value of its columns."""
        return Facts.of(self.each_metadata)

    @cached_property
    def word_pairs(self) -> WordPairs:
        """Which two words follow each other in captions, and in how many."""
        return WordPairs.of(self.captions, self.caption_words)

    def each_metadata(self) -> Iterator[Mapping[str, Any]]:
        """The further columns of every row, in order."""
        return (example.metadata for example in self.examples)

    @property
    def files(self) -> dict[str, str]:
        """The sha256 of every file that it is made of when it was scanned, by its name."""
        return self.shards or {example.file_name: example.sha256 for example in self.examples}

    def path_of(self, file: str) -> Path:
        """Where a file lies, by its name in `files`."""
        return self.folder / file

    @property
    def where(self) -> str:
        """Where all of it lies, for a person."""
        return str(self.folder)

    def image(self, row: int) -> Image.Image:
        """The picture as RGB in its original size; its bytes are compared with those that were scanned.

        Raises:
            ImageError: the file is gone or damaged.
            TrainingSetError: it is another picture than was scanned.
        """
        example = self.examples[row]
        data, called = self.pictures.read(example.file_name), self.pictures.called(example.file_name)
        if hashlib.sha256(data).hexdigest() != example.sha256:
            raise TrainingSetError(
                f"{called} has changed since it was scanned: put it back, or bind the workspace to what is "
                "there now with `python -m precompute init --workspace DIR`"
            )
        return read_image(data, repr(called))[0]
