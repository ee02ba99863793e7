"""Columns of many rows in one file that is mapped into memory: opening it reads its header alone.

The file is safetensors'. A column of texts is two tensors: all texts, one after the other, in UTF-8, and
where each begins (and the last one ends).
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, SupportsIndex, overload

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from safetensors.numpy import save

from attribution.data.files import write_durably
from attribution.errors import TrainingSetError

HALVES = "surrogatepass"  # halves of characters, which JSON can hold, stay what they are
BLOCK = 4096  # texts that are read at once where all are gone through
DATA, PLACES = "texts", "places"  # of a column of texts, after its name
DTYPES = {"U8": np.uint8, "I32": np.int32, "I64": np.int64, "F64": np.float64}
Columns = dict[str, ndarray]


class _Tensor(BaseModel):
    model_config = ConfigDict(strict=True)

    dtype: Literal["U8", "I32", "I64", "F64"]
    shape: list[Annotated[int, Field(ge=0)]]
    data_offsets: tuple[Annotated[int, Field(ge=0)], int]


_HEADER: TypeAdapter[dict[str, _Tensor]] = TypeAdapter(dict[str, _Tensor])


def write_columns(columns: Columns, path: Path) -> str:
    """Write them under this name or nothing; return the file's sha256."""
    data = save({name: np.ascontiguousarray(column) for name, column in columns.items()})
    write_durably(path, data)
    return hashlib.sha256(data).hexdigest()


def mapped_columns(path: Path) -> Columns:
    """Return every column as a read-only memory map.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such file, or not whole.
    """
    with path.open("rb") as handle:
        prefix = handle.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else math.inf
        room = path.stat().st_size - 8 - length
        if room < 0:
            raise ValueError("it ends within its header")
        header = json.loads(handle.read(int(length)))
    if isinstance(header, dict):
        header.pop("__metadata__", None)
    try:
        tensors = _HEADER.validate_json(json.dumps(header))
    except ValidationError as refused:
        raise ValueError("its header is damaged") from refused
    return {name: _mapped(path, 8 + int(length), tensor, room) for name, tensor in tensors.items()}


def _mapped(path: Path, begin: int, tensor: _Tensor, room: float) -> ndarray:
    start, end = tensor.data_offsets
    dtype, shape = np.dtype(DTYPES[tensor.dtype]), tuple(tensor.shape)
    if not start <= end <= room or end - start != math.prod(shape) * dtype.itemsize:
        raise ValueError("its header and its length differ")
    if start == end:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", begin + start, shape)


class Texts(Sequence[str]):
    """A column of texts; each is made when it is looked at.

    Args:
        name: of the column.

    Raises:
        ValueError: its parts do not belong together.
        TrainingSetError: a text that is looked at is none.
    """

    def __init__(self, columns: Mapping[str, ndarray], name: str):
        try:
            self._data: UInt8[ndarray, " bytes"] = columns[f"{name} {DATA}"]
            self._places: Int64[ndarray, " places"] = columns[f"{name} {PLACES}"]
        except KeyError:
            raise ValueError(f"it has no column {name!r}") from None
        places = self._places
        whole = places.ndim == 1 and len(places) > 0 and places[0] == 0 and places[-1] == self._data.size
        if not whole or (places[1:] < places[:-1]).any():
            raise ValueError(f"the texts of {name!r} are not where they should be")

    def __len__(self) -> int:
        return len(self._places) - 1

    @overload
    def __getitem__(self, index: SupportsIndex) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> str | tuple[str, ...]:
        if isinstance(index, slice):
            return tuple(self[row] for row in range(*index.indices(len(self))))
        row = range(len(self))[index]
        return _text(self._data[self._places[row] : self._places[row + 1]].tobytes())

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), BLOCK):
            places = self._places[start : start + BLOCK + 1].tolist()
            data = self._data[places[0] : places[-1]].tobytes()
            for row, place in enumerate(places[:-1]):
                yield _text(data[place - places[0] : places[row + 1] - places[0]])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Texts | tuple | list) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # as a list has none


def _text(data: bytes) -> str:
    try:
        return data.decode(errors=HALVES)
    except UnicodeDecodeError:
        raise TrainingSetError(
            "a text of the training set's table is damaged: run `python -m precompute init --workspace DIR`"
        ) from None


class InOrder(Sequence[str]):
    """Texts in another order, such as that of an alphabet: what is looked up in.

    Args:
        order: rows of the texts.
    """

    def __init__(self, texts: Texts, order: ndarray):
        self.texts, self.order = texts, order

    def __len__(self) -> int:
        return len(self.order)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        if isinstance(index, slice):
            return tuple(self.texts[int(row)] for row in self.order[index])
        return self.texts[int(self.order[index])]

    def row_of(self, text: str) -> int | None:
        """Return the first row with a text, of an order that is alphabetical; None if there is none."""
        place = bisect_left(self, text)
        return int(self.order[place]) if place < len(self) and self[place] == text else None


def texts_column(name: str, texts: Iterable[str]) -> Columns:
    """Return a column of texts as it is stored."""
    encoded = [text.encode(errors=HALVES) for text in texts]
    places = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return {f"{name} {DATA}": np.frombuffer(b"".join(encoded), np.uint8), f"{name} {PLACES}": places}


def alphabetical(texts: Sequence[str]) -> Int64[ndarray, " rows"]:
    """Return the rows of texts in their order; those that are alike keep theirs."""
    return np.asarray(sorted(range(len(texts)), key=texts.__getitem__), np.int64)
