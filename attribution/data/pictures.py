"""Where the pictures of a training set lie: as files of a folder, or many in a file (a shard)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from cachetools import LRUCache

from attribution.data.images import file_bytes
from attribution.data.problems import Problems
from attribution.errors import ImageError

OPEN = 4  # shards at once, each with what was read of it last

Place = tuple[int, int]  # in a shard: of a tar file, offset and bytes; of a table, part and row


@runtime_checkable
class Pictures(Protocol):
    """The pictures of a training set, by their file names."""

    def data(self, name: str) -> bytes:
        """The bytes of a picture's file; it raises OSError where they cannot be read."""
        ...

    def read(self, name: str) -> bytes:
        """The same; it raises ImageError where they cannot be read."""
        ...

    def called(self, name: str) -> str:
        """What an error calls a picture: where it lies."""
        ...


@dataclass(frozen=True)
class Files:
    """Each picture is a file of a folder."""

    folder: Path

    def data(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def read(self, name: str) -> bytes:
        return file_bytes(self.folder / name)

    def called(self, name: str) -> str:
        return str(self.folder / name)


@dataclass(frozen=True)
class Row:
    """What a shard says of one picture.

    Attributes:
        where: the row's number or key, for an error.
        values: all further columns.
        name: the picture's own file name, if it has one.
        place: where its bytes lie.
    """

    where: str
    values: Mapping[str, Any]
    name: str | None
    place: Place


@runtime_checkable
class Shard(Protocol):
    """One file that holds many pictures. What it raises is TrainingSetError or OSError."""

    def rows(self, problems: Problems) -> Iterator[Row]:
        """What it says of each picture, in order; no picture is read."""
        ...

    def data(self, place: Place) -> bytes:
        """The bytes of one picture; it raises OSError where they cannot be read."""
        ...


class Packed:
    """Pictures that lie in shards: each is read when it is asked for, from where it was found once.

    Args:
        shards: the files, whose numbers `places` has.
        places: of each picture by its file name: the shard's number, and where it lies in it.
        opened: what opens a shard.
    """

    def __init__(
        self,
        shards: Sequence[Path],
        places: Mapping[str, tuple[int, Place]],
        opened: Callable[[Path], Shard],
    ):
        self.shards, self.places = tuple(shards), places
        self._opened_by = opened
        self._open: LRUCache[int, Shard] = LRUCache(OPEN)
        self._lock = threading.Lock()

    def data(self, name: str) -> bytes:
        number, place = self.places[name]
        with self._lock:
            shard = self._open.get(number)
            if shard is None:
                shard = self._open[number] = self._opened_by(self.shards[number])
        return shard.data(place)

    def read(self, name: str) -> bytes:
        try:
            return self.data(name)
        except OSError as problem:
            reason = problem.strerror or problem
            raise ImageError(f"{self.called(name)!r} cannot be read: {reason}") from None

    def called(self, name: str) -> str:
        return f"{self.shards[self.places[name][0]]}: {name}"
