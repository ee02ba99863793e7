"""What a scan has found, kept in a file, so that opening a training set reads no picture again.

Of a folder of pictures their hashes are kept, and its metadata is read anew. Of shards everything is kept,
with the place of every picture, in a table beside: they are not looked into until a picture is wanted. (In
workspaces of 0.1.0 it is kept in the index itself.)
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from attribution.data.columnar import write_columns
from attribution.data.columns import Columns
from attribution.data.files import file_sha256
from attribution.data.metadata import folder_of, read_metadata
from attribution.data.pictures import Packed
from attribution.data.problems import Problem, Problems
from attribution.data.records import records_of
from attribution.data.scanning import examples_of
from attribution.data.several import JoinedSet, Source
from attribution.data.shards import found_shards, open_packed, seen_sha256
from attribution.data.table_set import PlacesByName, TableSet, columns_of_set, read_table
from attribution.data.training_set import Example, TrainingSet
from attribution.errors import TrainingSetError

TABLE = ".safetensors"  # how the table of shards' rows ends


class _Index(BaseModel):
    """Of a folder of pictures."""

    model_config = ConfigDict(strict=True)

    format: Literal[1] = 1
    fingerprint: str
    metadata_sha256: str
    sha256: list[str]


class _PackedExample(BaseModel):
    model_config = ConfigDict(strict=True)

    id: str
    file_name: str
    caption: str
    sha256: str
    metadata: dict[str, Any]
    shard: int
    place: tuple[int, int]


class _PackedIndex(BaseModel):
    """Of shards, whose hashes come in their order."""

    model_config = ConfigDict(strict=True)

    format: Literal[2] = 2
    fingerprint: str
    metadata_sha256: str
    shards: list[str]
    examples: list[_PackedExample]


class _TableIndex(BaseModel):
    """Of shards, whose hashes come in their order, and whose rows are in the table of this sha256."""

    model_config = ConfigDict(strict=True)

    format: Literal[3] = 3
    fingerprint: str
    metadata_sha256: str
    shards: list[str]
    rows: Annotated[int, Field(ge=0)]
    table: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


_Own = Annotated[_Index | _PackedIndex | _TableIndex, Field(discriminator="format")]


class _SeveralIndex(BaseModel):
    """Of several training sets, by their names, in their order."""

    model_config = ConfigDict(strict=True)

    format: Literal[4] = 4
    sets: Mapping[str, _Own]


_KEPT: TypeAdapter[_Index | _PackedIndex | _TableIndex | _SeveralIndex] = TypeAdapter(
    Annotated[_Index | _PackedIndex | _TableIndex | _SeveralIndex, Field(discriminator="format")]
)


def scan_bytes(training_set: TrainingSet, index_path: Path) -> bytes:
    """What was scanned, as `load_scan` reads it from `index_path`.

    A table is written beside it at once, under a name of its own, so that no index is ever without.
    """
    kept: _Index | _TableIndex | _SeveralIndex
    if isinstance(training_set, JoinedSet):
        found = training_set.sets.items()
        kept = _SeveralIndex(sets={name: _kept(each, index_path) for name, each in found})
    else:
        kept = _kept(training_set, index_path)
    return (json.dumps(kept.model_dump(), indent=0) + "\n").encode()


def _kept(training_set: TrainingSet, index_path: Path) -> _Index | _TableIndex:
    if isinstance(training_set.pictures, Packed):
        return _tabled(training_set, training_set.pictures, index_path)
    return _Index(
        fingerprint=training_set.fingerprint,
        metadata_sha256=training_set.metadata_sha256,
        sha256=[example.sha256 for example in training_set.examples],
    )


def drop_old_tables(index_path: Path) -> None:
    """Delete the tables of indices that were there before."""
    known = _KEPT.validate_json(index_path.read_bytes())
    indices = known.sets.values() if isinstance(known, _SeveralIndex) else (known,)
    own = {_table_path(index_path, each.table) for each in indices if isinstance(each, _TableIndex)}
    for path in index_path.parent.glob(f"{index_path.stem}.*{TABLE}"):
        if path not in own:
            path.unlink()


def save_scan(training_set: TrainingSet, index_path: Path) -> None:
    """Write an index that lies in no workspace."""
    index_path.write_bytes(scan_bytes(training_set, index_path))
    drop_old_tables(index_path)


def load_scan(
    index_path: Path, source: Source, columns: Columns | None = None, index: bytes | None = None
) -> TrainingSet:
    """The training set as it was scanned. Pictures are hashed again as they are read.

    Args:
        index: what the file of the index holds, where it has been read already.

    Raises:
        TrainingSetError: the metadata has changed since, or something is missing.
    """
    columns = columns or Columns()
    try:
        known = _KEPT.validate_json(index_path.read_bytes() if index is None else index)
    except (OSError, ValidationError):
        raise TrainingSetError(f"{index_path} is missing or damaged: {_scan_again(index_path)}") from None
    wanted = dict(source) if isinstance(source, Mapping) else {"": source}
    indices = known.sets if isinstance(known, _SeveralIndex) else {"": known}
    if wanted.keys() != indices.keys():
        raise TrainingSetError(f"{index_path} is of other training sets: {_scan_again(index_path)}")
    sets = {name: _load(each, index_path, Path(wanted[name]), columns) for name, each in indices.items()}
    return JoinedSet(sets) if isinstance(source, Mapping) else sets[""]


def _load(
    known: _Index | _PackedIndex | _TableIndex, index_path: Path, source: Path, columns: Columns
) -> TrainingSet:
    if isinstance(known, _TableIndex):
        return _load_table(known, index_path, source, columns)
    if isinstance(known, _PackedIndex):
        return _load_packed(known, index_path, source, columns)
    return _load_files(known, index_path, source, columns)


def _load_files(index: _Index, index_path: Path, source: Path, columns: Columns) -> TrainingSet:
    problems = Problems()
    metadata = read_metadata(source, problems)
    records = records_of(metadata, columns, problems)
    # Empty captions and halves of characters were once let in; they trouble nobody until asked about.
    problems.check(metadata.source, metadata.remedy, but=(Problem.EMPTY, Problem.HALF))
    _must_match(index, metadata.sha256, len(index.sha256) == len(records), metadata.source, index_path)
    return TrainingSet(folder_of(source), examples_of(records, index.sha256), metadata.sha256)


def _load_packed(index: _PackedIndex, index_path: Path, source: Path, columns: Columns) -> TrainingSet:
    folder, shards = folder_of(source), found_shards(source)
    found = seen_sha256(folder, shards)
    _must_match(index, found, len(index.shards) == len(shards), source, index_path)
    examples = [
        Example(row, each.id, each.file_name, each.caption, each.sha256, each.metadata)
        for row, each in enumerate(index.examples)
    ]
    places = {each.file_name: (each.shard, each.place) for each in index.examples}
    names = [path.relative_to(folder).as_posix() for path in shards]
    pictures = open_packed(shards, places, columns)
    return TrainingSet(folder, examples, found, pictures, dict(zip(names, index.shards, strict=True)))


def _tabled(training_set: TrainingSet, pictures: Packed, index_path: Path) -> _TableIndex:
    part = index_path.with_name(f"{index_path.stem}{TABLE}")
    table = write_columns(columns_of_set(training_set, pictures), part)
    part.replace(_table_path(index_path, table))
    return _TableIndex(
        fingerprint=training_set.fingerprint,
        metadata_sha256=training_set.metadata_sha256,
        shards=list(training_set.shards.values()),
        rows=len(training_set),
        table=table,
    )


def _table_path(index_path: Path, sha256: str) -> Path:
    return index_path.with_name(f"{index_path.stem}.{sha256[:16]}{TABLE}")


def _load_table(index: _TableIndex, index_path: Path, source: Path, columns: Columns) -> TrainingSet:
    folder, shards = folder_of(source), found_shards(source)
    found = seen_sha256(folder, shards)
    _must_match(index, found, len(index.shards) == len(shards), source, index_path)
    path = _table_path(index_path, index.table)
    try:
        whole = file_sha256(path) == index.table
    except OSError:
        whole = False
    if not whole:
        raise TrainingSetError(f"{path} is missing or damaged: {_scan_again(index_path)}")
    table = read_table(path, index.rows, len(shards))
    places = PlacesByName(table)
    names = [each.relative_to(folder).as_posix() for each in shards]
    by_name = dict(zip(names, index.shards, strict=True))
    pictures = open_packed(shards, places, columns)
    return TableSet(folder, table, found, pictures, by_name, index.fingerprint, places)


def _must_match(
    index: _Index | _PackedIndex | _TableIndex, found: str, complete: bool, source: Path, index_path: Path
) -> None:
    if found != index.metadata_sha256 or not complete:
        raise TrainingSetError(
            f"{source} has changed since it was scanned (its sha256 is {found[:12]}, was "
            f"{index.metadata_sha256[:12]}): {_scan_again(index_path)}"
        )


def _scan_again(index_path: Path) -> str:
    return f"run `python -m precompute init --workspace {shlex.quote(str(index_path.parent))}`"
