"""WebDataset's shards: tar files in which neighbours of one name are one picture and what is said of it.

`000123.jpg`, `000123.txt` and `000123.json` are such neighbours: everything before the first dot of the
file's name is the key, and the rest says what it is. A `.txt` is the column `text`; the object of a `.json`
is columns of its own.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import IO, Any

from attribution.data.columns import CAPTION, Columns
from attribution.data.images import MAX_BYTES
from attribution.data.metadata import SUFFIXES
from attribution.data.pictures import Place, Row
from attribution.data.problems import Problem, Problems
from attribution.errors import TrainingSetError

MAX_TEXT = 2**20  # bytes of a .txt or .json
PICTURES = tuple(suffix.removeprefix(".") for suffix in SUFFIXES)


@dataclass(frozen=True)
class _Member:
    """One file in a tar file: its name, key and ending, and where its bytes lie."""

    name: str
    key: str
    ending: str
    place: Place


@dataclass(frozen=True)
class TarShard:
    """One tar file, which is not held open: a picture is read by its offset."""

    path: Path
    columns: Columns

    def rows(self, problems: Problems) -> Iterator[Row]:
        with self.path.open("rb") as handle:
            for key, found in groupby(self._members(handle), key=lambda member: member.key):
                row = self._row(handle, key, list(found), problems)
                if row is not None:
                    yield row

    def data(self, place: Place) -> bytes:
        offset, size = place
        with self.path.open("rb") as handle:
            return _piece(handle, offset, min(size, MAX_BYTES + 1))  # one more is refused as too large

    def _members(self, handle: IO[bytes]) -> Iterator[_Member]:
        try:
            with tarfile.open(fileobj=handle, mode="r:") as opened:
                for each in opened:
                    if each.isreg() and not each.issparse():
                        path = PurePosixPath(each.name)
                        stem, _, ending = path.name.partition(".")
                        key = str(path.with_name(stem)) if stem else ""
                        yield _Member(str(path), key, ending.lower(), (each.offset_data, each.size))
        except tarfile.TarError as problem:
            raise TrainingSetError(
                f"{self.path} cannot be read as an uncompressed tar file ({problem}): copy it again, or "
                "unpack it with gunzip if it is compressed"
            ) from None

    def _row(self, handle: IO[bytes], key: str, members: list[_Member], problems: Problems) -> Row | None:
        """The neighbours of one key; None where there is no picture among them."""
        where = f"{self.path.name}: {key}"
        wanted = (self.columns.image.lower(),) if self.columns.image else PICTURES
        pictures = [member for member in members if key and member.ending in wanted]
        if len(pictures) > 1:
            problems.add(Problem.TWO_PICTURES, where)
        if not pictures:
            return None
        values: dict[str, Any] = {}
        for member in sorted(members, key=lambda member: member.ending):  # .json first: .txt has the word
            if member.ending in ("json", "txt"):
                values |= _said(handle, member, where, problems)
        return Row(where, values, pictures[0].name, pictures[0].place)


def _said(handle: IO[bytes], member: _Member, where: str, problems: Problems) -> dict[str, Any]:
    """The columns of a .txt or .json."""
    (offset, size), found = member.place, None
    if size <= MAX_TEXT:
        try:
            text = _piece(handle, offset, size).decode("utf-8-sig")
            found = {CAPTION: text.strip()} if member.ending == "txt" else json.loads(text)
        except (ValueError, RecursionError):  # no UTF-8, no JSON
            found = None
    if isinstance(found, dict):
        return found
    problems.add(Problem.NOT_TEXT, f"{where}.{member.ending}")
    return {}


def _piece(handle: IO[bytes], offset: int, size: int) -> bytes:
    """Some bytes of a file, all of them.

    Raises:
        OSError: the file is shorter.
    """
    handle.seek(offset)
    data = handle.read(size)
    if len(data) < size:
        raise OSError("the file is cut short")
    return data
