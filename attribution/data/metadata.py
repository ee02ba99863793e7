"""Where a folder says which caption a picture has: a table, COCO's annotations, or a text beside each.

The first that is there of: `metadata.jsonl`, `metadata.csv` or `metadata.parquet`; such tables in its
sub-folders, whose file names begin there; one `captions*.json` of COCO's form, here or in `annotations/`; a
`.txt` of the same name beside each picture. A list may be named itself, of whatever name, in place of its
folder: several can then speak of the same pictures.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attribution.data.columns import CAPTION, IMAGE
from attribution.data.files import files_below
from attribution.data.parquet import parquet_rows
from attribution.data.problems import Problem, Problems
from attribution.errors import TrainingSetError

METADATA = "metadata.jsonl"
TABLES = (METADATA, "metadata.csv", "metadata.parquet")
LISTS = (".jsonl", ".csv")  # endings of a table that may be named itself
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")  # of pictures that have their caption beside them
FORM = (
    f"a training set is a folder of pictures with a {METADATA}, one "
    '{"file_name": ..., "text": ...} a line, a metadata.csv or .parquet with these columns, or a .txt with '
    "its caption beside each picture; such a .jsonl or .csv itself; or shards: Parquet with pictures in "
    "it, WebDataset's .tar, or what `save_to_disk` of the datasets library writes"
)


@dataclass(frozen=True)
class Line:
    """What is said of one picture.

    Attributes:
        where: "line 3", or the file that says it.
        values: by column.
        inside: the sub-folder in which its file name begins, with a slash; "" for the folder itself.
    """

    where: str
    values: Mapping[str, Any]
    inside: str = ""


@dataclass(frozen=True)
class Metadata:
    """All that a folder says of its pictures.

    Attributes:
        source: the file, or the folder of files.
        remedy: what mends a line that is wrong, as a command.
        sha256: of where it says so; of shards, which are not read for it, of their names and sizes.
    """

    source: Path
    remedy: str
    lines: Sequence[Line]
    sha256: str


def read_metadata(source: Path, problems: Problems) -> Metadata:
    """Read what there is; lines that cannot be read are added to the problems.

    Args:
        source: a folder, or the list of some of its pictures.

    Raises:
        TrainingSetError: there is nothing, or a file that cannot be read at all.
    """
    tables, folder = tables_of(source), folder_of(source)
    if not (tables or source.is_dir()):
        raise TrainingSetError(f"{source} is not a folder: {FORM}")
    if len(tables) == 1 and tables[0].parent == folder:
        table, data = tables[0], _bytes(tables[0])
        lines = list(_rows(table, data, problems, ""))
        remedy = f"mend this, or take it out of {table.name}"
        return Metadata(table, remedy, lines, hashlib.sha256(data).hexdigest())
    if tables:
        return _of_sub_folders(folder, tables, problems)
    annotations = sorted([*folder.glob("captions*.json"), *folder.glob("annotations/captions*.json")])
    if len(annotations) > 1:
        names = " and ".join(str(path.relative_to(folder)) for path in annotations)
        raise TrainingSetError(f"{folder} has {names}: leave only what the model was trained on there")
    if annotations:
        return _of_coco(folder, annotations[0])
    return _of_texts(folder)


def folder_of(source: Path) -> Path:
    """The folder that pictures or shards are named in: a training set may be a file of it."""
    return source.parent if source.is_file() else source


def tables_of(folder: Path) -> list[Path]:
    """The tables of captions in a folder, or in its sub-folders; of a list, itself."""
    if folder.is_file():
        return [folder] if folder.suffix in LISTS else []
    for places in ([folder], sorted(path.parent for path in folder.glob("*/metadata.*"))):
        found = {
            place: next((place / n for n in TABLES if (place / n).is_file()), None) for place in places
        }
        if there := [path for path in found.values() if path is not None]:
            return there
    return []


def _of_sub_folders(folder: Path, tables: Sequence[Path], problems: Problems) -> Metadata:
    lines: list[Line] = []
    digest = hashlib.sha256()
    for table in tables:
        data, inside = _bytes(table), table.parent.relative_to(folder).as_posix()
        digest.update(f"{inside}/{table.name} {hashlib.sha256(data).hexdigest()}\n".encode())
        lines += _rows(table, data, problems, f"{inside}/")
    return Metadata(folder, "mend this, or take it out of its metadata", lines, digest.hexdigest())


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise TrainingSetError(f"{path} cannot be read: {problem.strerror or problem}") from None


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TrainingSetError(f"{path} is not UTF-8 text: save it as UTF-8") from None


def _rows(table: Path, data: bytes, problems: Problems, inside: str) -> Iterator[Line]:
    """The lines of a table. `inside`: the sub-folder that it speaks of, with a slash; "" for the whole."""
    if table.suffix == ".jsonl":
        rows = _json_rows(_text(table, data), problems, inside)
    elif table.suffix == ".csv":
        rows = _csv_rows(table, _text(table, data), problems, inside)
    else:
        rows = enumerate(parquet_rows(table), 1)
    for number, values in rows:
        yield Line(f"{inside}line {number}", values, inside)


def _json_rows(text: str, problems: Problems, inside: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):  # not splitlines: captions hold odd separators
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            values = None
        if isinstance(values, dict):
            yield number, values
        else:
            problems.add(Problem.NOT_JSON, f"{inside}line {number}")


def _csv_rows(
    path: Path, text: str, problems: Problems, inside: str
) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for values in reader:
            if None in values:
                problems.add(Problem.CELLS, f"{inside}line {reader.line_num}")
            else:
                yield reader.line_num, values
    except csv.Error as problem:
        raise TrainingSetError(f"{path} line {reader.line_num} is not CSV: {problem}") from None


def _of_coco(folder: Path, path: Path) -> Metadata:
    """COCO's annotations: `images` with an id and a file name, `annotations` with their captions."""
    data = _bytes(path)
    try:
        found = json.loads(_text(path, data))
        captions: dict[Any, list[Any]] = defaultdict(list)
        for each in found["annotations"]:
            captions[each["image_id"]].append(each["caption"])
        names = {each["id"]: str(each["file_name"]) for each in found["images"]}
    except (ValueError, RecursionError, LookupError, TypeError):
        raise TrainingSetError(
            f'{path} is not COCO\'s annotations of captions: it needs "images" with "id" and "file_name", '
            'and "annotations" with "image_id" and "caption"'
        ) from None
    inside = _place_of(folder, next(iter(names.values()), ""))
    lines = [
        Line(f"image {key}", {IMAGE: name, CAPTION: captions[key], "image_id": key}, inside)
        for key, name in names.items()
    ]
    remedy = f"mend this, or take it out of {path.name}"
    return Metadata(path, remedy, lines, hashlib.sha256(data).hexdigest())


def _place_of(folder: Path, name: str) -> str:
    """The sub-folder that has a picture, with a slash; "" if it lies in the folder, or nowhere."""
    if not name or (folder / name).is_file():
        return ""
    places = sorted(path for path in [*folder.glob("*/"), *folder.glob("*/*/")])
    found = next((place for place in places if (place / name).is_file()), folder)
    return "" if found == folder else f"{found.relative_to(folder).as_posix()}/"


def _of_texts(folder: Path) -> Metadata:
    """A text beside each picture."""
    names = (path.relative_to(folder) for path in files_below(folder) if path.suffix.lower() in SUFFIXES)
    pictures = sorted(name for name in names if not any(part.startswith(".") for part in name.parts))
    digest, lines, read = hashlib.sha256(), [], 0
    for name in pictures:
        values: dict[str, Any] = {IMAGE: name.as_posix()}
        beside = folder / name.with_suffix(".txt")
        if beside.is_file():
            data, read = _bytes(beside), read + 1
            values[CAPTION] = _text(beside, data).strip()
            digest.update(f"{name.as_posix()} {hashlib.sha256(data).hexdigest()}\n".encode())
        lines.append(Line(name.as_posix(), values))
    if not read:
        raise TrainingSetError(f"{folder} has no {METADATA}: {FORM}")
    remedy = "mend this, or take the pictures out of the folder"
    return Metadata(folder, remedy, lines, digest.hexdigest())
