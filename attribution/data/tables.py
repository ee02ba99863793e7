"""Tables that hold their pictures: Parquet as on the hub, and the Arrow files of a `datasets` folder.

A picture is a cell `{"bytes": ..., "path": ...}`, or its bytes alone. Rows are found without reading one,
and a picture is read by the part of the table that it is in (a row group, a record batch) and its row.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from attribution.data.columns import PICTURE, Columns, listed
from attribution.data.parquet import INSTALL, plain
from attribution.data.pictures import Place, Row
from attribution.data.problems import Problems
from attribution.errors import TrainingSetError

T = TypeVar("T")
BYTES, PATH = "bytes", "path"  # of a picture's cell


class TableShard(ABC):
    """One file that is a table in parts; the pictures of the part that was read last are kept.

    Raises:
        TrainingSetError: what reads it is not installed, the file is damaged, or it has no such column.
    """

    def __init__(self, path: Path, columns: Columns):
        self.path, self.pa, self.pictures = path, _pyarrow(path), columns.image or PICTURE
        self._lock = threading.Lock()
        self._last: tuple[int, Any] | None = None
        schema = self._tried(self.opened)
        if self.pictures not in schema.names:
            raise TrainingSetError(
                f'{path} has no "{self.pictures}" (its columns are {listed(schema.names)}): name the '
                "column of the pictures with --image-column"
            )
        cell = schema.field(self.pictures).type
        if not _holds_bytes(self.pa, cell):
            raise TrainingSetError(
                f"{path} has no pictures in {self.pictures!r} but {cell}: if they are the names of files "
                "beside it, call the table metadata.parquet"
            )
        self._is_struct = self.pa.types.is_struct(cell)
        self._has_paths = self._is_struct and cell.get_field_index(PATH) >= 0
        self._further = [
            each.name
            for each in schema
            if each.name != self.pictures and not _holds_bytes(self.pa, each.type)
        ]

    @abstractmethod
    def opened(self) -> Any:
        """Open the file and return its schema."""

    @abstractmethod
    def parts(self) -> int:
        """Of how many it is made."""

    @abstractmethod
    def part(self, number: int, columns: Sequence[str]) -> Any:
        """Some columns of a part, as an Arrow table; of a cell, "image.path" is enough."""

    def rows(self, problems: Problems) -> Iterator[Row]:
        number = 0
        for part in range(self.parts()):
            said, names = self._tried(lambda part=part: self._said(part))  # type: ignore[misc]
            for row, (values, name) in enumerate(zip(said, names, strict=True)):
                further = {column: plain(value) for column, value in values.items()}
                yield Row(f"{self.path.name} row {number}", further, name, (part, row))
                number += 1

    def data(self, place: Place) -> bytes:
        number, row = place
        with self._lock:
            if self._last is None or self._last[0] != number:
                try:
                    self._last = number, self._cells(number, BYTES)
                except self.pa.ArrowException as problem:
                    raise OSError(_on_one_line(problem)) from None
            found: bytes | None = self._last[1][row].as_py()
        if found is None:
            raise FileNotFoundError(f"row {row} of part {number} has no bytes")
        return found

    def _said(self, number: int) -> tuple[list[dict[str, Any]], list[str | None]]:
        """The further columns of each row of a part, and the names of its pictures."""
        said = self.part(number, self._further).to_pylist()
        names = self._cells(number, PATH).to_pylist() if self._has_paths else [None] * len(said)
        return said, names

    def _cells(self, number: int, field: str) -> Any:
        """The pictures of a part, or their names, as an Arrow array."""
        from pyarrow import compute

        if not self._is_struct:
            return self.part(number, [self.pictures]).column(self.pictures)
        cells = self.part(number, [f"{self.pictures}.{field}"]).column(self.pictures)
        return compute.struct_field(cells, field)

    def _tried(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except (self.pa.ArrowException, OSError) as problem:
            raise TrainingSetError(f"{self.path} cannot be read: {_on_one_line(problem)}") from None


class ParquetShard(TableShard):
    """A part is a row group."""

    def opened(self) -> Any:
        from pyarrow import parquet

        self._file = parquet.ParquetFile(self.path, memory_map=True)
        return self._file.schema_arrow

    def parts(self) -> int:
        count: int = self._file.num_row_groups
        return count

    def part(self, number: int, columns: Sequence[str]) -> Any:
        return self._file.read_row_group(number, columns=list(columns), use_threads=False)


class ArrowShard(TableShard):
    """A part is a record batch; the file is mapped, so that nothing of it is read until it is needed."""

    def opened(self) -> Any:
        with self.pa.ipc.open_stream(self.pa.memory_map(str(self.path))) as stream:
            self._batches = list(stream)
            return stream.schema

    def parts(self) -> int:
        return len(self._batches)

    def part(self, number: int, columns: Sequence[str]) -> Any:
        names = [self.pictures if self._of_picture(each) else each for each in columns]
        return self.pa.Table.from_batches([self._batches[number]]).select(names)

    def _of_picture(self, column: str) -> bool:
        return column in (f"{self.pictures}.{BYTES}", f"{self.pictures}.{PATH}")


def _pyarrow(path: Path) -> ModuleType:
    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError:
        raise TrainingSetError(
            f"{path} needs pyarrow to be read: install it with `{INSTALL}`, or write the pictures out as "
            "files beside a metadata.csv"
        ) from None
    module: ModuleType = pyarrow
    return module


def _holds_bytes(pa: ModuleType, kind: Any) -> bool:
    """Whether the cells of a column are bytes, or have a field of them."""
    if pa.types.is_struct(kind):
        return any(_holds_bytes(pa, field.type) for field in kind)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _on_one_line(problem: BaseException) -> str:
    return " ".join(str(problem).split())[:110]
