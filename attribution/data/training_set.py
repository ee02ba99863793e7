"""The captioned pictures that a model was trained on, in a fixed order. How they are read is elsewhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy import ndarray
from PIL import Image

from attribution.data.images import read_image
from attribution.data.pictures import Files, Pictures
from attribution.errors import TrainingSetError


@dataclass(frozen=True)
class Example:
    """One training image. `sha256` is that of its file; `metadata` has all further columns."""

    row: int
    id: str
    file_name: str
    caption: str
    sha256: str
    metadata: Mapping[str, Any]


class TrainingSet:
    """Captioned images in a fixed order. Row i of every per-example artifact is example i.

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
        self.examples = tuple(examples)
        self.metadata_sha256 = metadata_sha256
        self.ids = tuple(example.id for example in self.examples)
        self.captions = tuple(example.caption for example in self.examples)

    def __len__(self) -> int:
        return len(self.examples)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of ids, captions and pictures, in order. Further columns do not count."""
        digest = hashlib.sha256()
        for example in self.examples:
            line = json.dumps([example.id, example.caption, example.sha256])
            digest.update(line.encode() + b"\n")
        return digest.hexdigest()[:32]

    @cached_property
    def _rows(self) -> dict[str, int]:
        by_file = {example.file_name: example.row for example in reversed(self.examples)}  # the first
        return by_file | {example.id: example.row for example in self.examples}  # an id comes first

    def row_of(self, name: str) -> int:
        """The row of an id or file name.

        Raises:
            TrainingSetError: there is no such example.
        """
        if name not in self._rows:
            raise TrainingSetError(f"{name!r} is neither an id nor a file name of the training set")
        return self._rows[name]

    def row_of_id(self, example_id: str) -> int | None:
        """The row of an id; None if there is no such example (a file name is no id)."""
        row = self._rows.get(example_id)
        return row if row is not None and self.ids[row] == example_id else None

    @cached_property
    def places_of_ids(self) -> Int64[ndarray, " examples"]:
        """Where the id of each row comes among all ids in order: what ties are broken by."""
        places = np.empty(len(self), np.int64)
        places[sorted(range(len(self)), key=self.ids.__getitem__)] = np.arange(len(self))
        return places

    @property
    def files(self) -> dict[str, str]:
        """The sha256 of every file that it is made of when it was scanned, by its name."""
        return self.shards or {example.file_name: example.sha256 for example in self.examples}

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
