"""Training sets whose pictures lie in shards: which files those are, and what all of them say together."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attribution.data.columns import IMAGE, Columns
from attribution.data.files import is_inside
from attribution.data.metadata import Line, Metadata, tables_of
from attribution.data.pictures import Packed, Place, Row, Shard
from attribution.data.problems import Problems
from attribution.data.tables import ArrowShard, ParquetShard
from attribution.data.webdataset import TarShard
from attribution.errors import TrainingSetError

KINDS: Mapping[str, Callable[[Path, Columns], Shard]] = {
    ".tar": TarShard,  # before Parquet: img2dataset writes a table of the same name beside each
    ".parquet": ParquetShard,
    ".arrow": ArrowShard,
}
SPLIT = re.compile(r"(?:^|[/_.-])(train|test|validation|valid|val|dev)(?=[/_.-])")
STATE, SPLITS = (
    "state.json",
    "dataset_dict.json",
)  # of `Dataset.save_to_disk` and `DatasetDict.save_to_disk`


def found_shards(source: Path) -> list[Path]:
    """The shards of a folder in their order, or the one that is named itself; none if it is no such set.

    Raises:
        TrainingSetError: they are of several splits.
    """
    if source.is_file():
        return [source] if source.suffix in KINDS else []
    if tables_of(source):
        return []
    if (source / SPLITS).is_file():
        return _of_the_only_split(source)
    if (source / STATE).is_file():
        return _of_datasets(source)
    for suffix in (".tar", ".parquet"):
        for pattern in (f"*{suffix}", f"*/*{suffix}"):
            if shards := sorted(path for path in source.glob(pattern) if path.is_file()):
                _check_splits(source, shards)
                return shards
    return []


def open_packed(
    shards: Sequence[Path], places: Mapping[str, tuple[int, Place]], columns: Columns
) -> Packed:
    """The pictures that lie at these places."""
    return Packed(shards, places, lambda path: KINDS[path.suffix](path, columns))


def read_shards(
    folder: Path, shards: Sequence[Path], columns: Columns, problems: Problems
) -> tuple[Metadata, Packed]:
    """What the shards say of their pictures, and the pictures themselves, none of which is read yet.

    A picture is called as its row says, if all are and no two alike; else it is called after its shard too.

    Raises:
        TrainingSetError: a shard cannot be read at all.
    """
    rows = [
        (number, row)
        for number, path in enumerate(shards)
        for row in _rows(KINDS[path.suffix](path, columns), path, problems)
    ]
    stems = [path.relative_to(folder).with_suffix("").as_posix() for path in shards]
    names = _names(rows, stems)
    lines = [
        Line(row.where, {**row.values, columns.image or IMAGE: name})
        for name, (_, row) in zip(names, rows, strict=True)
    ]
    places = {name: (number, row.place) for name, (number, row) in zip(names, rows, strict=True)}
    remedy = "mend this, or take it out of its shard"
    metadata = Metadata(folder, remedy, lines, seen_sha256(folder, shards))
    return metadata, open_packed(shards, places, columns)


def seen_sha256(folder: Path, shards: Sequence[Path]) -> str:
    """A hash of what can be seen of shards without reading them: their names and sizes.

    Raises:
        TrainingSetError: one is gone.
    """
    digest = hashlib.sha256()
    for path in shards:
        try:
            digest.update(f"{path.relative_to(folder).as_posix()} {path.stat().st_size}\n".encode())
        except OSError as problem:
            raise TrainingSetError(f"{path} cannot be read: {problem.strerror or problem}") from None
    return digest.hexdigest()


def _rows(shard: Shard, path: Path, problems: Problems) -> Iterator[Row]:
    try:
        yield from shard.rows(problems)
    except OSError as problem:
        raise TrainingSetError(f"{path} cannot be read: {problem.strerror or problem}") from None


def _names(rows: Sequence[tuple[int, Row]], stems: Sequence[str]) -> list[str]:
    """A name of its own for each picture."""
    own = [row.name for _, row in rows if row.name and is_inside(row.name)]
    if len(own) == len(rows):
        in_shards = [f"{stems[number]}/{name}" for name, (number, _) in zip(own, rows, strict=True)]
        for names in (own, in_shards):
            if len(set(names)) == len(rows):
                return names
    counts: Counter[int] = Counter()
    numbered = []
    for number, _ in rows:
        numbered.append(f"{stems[number]}/{counts[number]:06d}")
        counts[number] += 1
    return numbered


def _check_splits(source: Path, shards: Sequence[Path]) -> None:
    names = (path.relative_to(source).as_posix() for path in shards)
    splits = sorted({found[1] for name in names if (found := SPLIT.search(name))})
    if len(splits) > 1:
        raise TrainingSetError(
            f"{source} has shards of {' and '.join(splits)}: put those that the model was trained on into "
            "a folder of their own, or name the only one of them"
        )


def _of_the_only_split(source: Path) -> list[Path]:
    names = _json_of(source / SPLITS, "splits")
    if len(names) != 1:
        raise TrainingSetError(
            f"{source} has the splits {' and '.join(map(str, names))}: name the one that the model was "
            f"trained on, such as --dataset {source / str(next(iter(names), 'train'))}"
        )
    return _of_datasets(source / str(names[0]))


def _of_datasets(source: Path) -> list[Path]:
    files = _json_of(source / STATE, "_data_files")
    try:
        names = [str(each["filename"]) for each in files]
    except (LookupError, TypeError):
        names = []
    if not names or not all(is_inside(name) and name.endswith(".arrow") for name in names):
        raise TrainingSetError(
            f"{source / STATE} names no Arrow files: save the set again with `save_to_disk`"
        )
    return [source / name for name in names]


def _json_of(path: Path, key: str) -> list[Any]:
    """A list that a file of the `datasets` library has under a key."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))[key]
    except (OSError, ValueError, RecursionError, LookupError, TypeError):
        found = None
    if not isinstance(found, list):
        raise TrainingSetError(f"{path} is damaged: save the set again with `save_to_disk`")
    return found
