"""A captioned image folder as a training set.

Pictures, and what says their captions: see `attribution.data.metadata`. The usual form is `imagefolder`'s:
a `metadata.jsonl` with one object a line, `file_name` and `text`, optionally `id`, and any further columns
(artist, license, source, ...).
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from attribution.data.columns import EACH, FIRST, ID, Columns
from attribution.data.images import Fault, fault_of
from attribution.data.metadata import METADATA as METADATA
from attribution.data.metadata import Line, Metadata, read_metadata
from attribution.data.problems import Problem, Problems
from attribution.data.training_set import Example, TrainingSet
from attribution.errors import TrainingSetError

INDEX_FORMAT = 1
FAULTS = {
    Fault.FOREIGN: Problem.NO_PICTURE,
    Fault.DAMAGED: Problem.BROKEN,
    Fault.TOO_LARGE: Problem.TOO_LARGE,
}


class _Index(BaseModel):
    """What `save` writes."""

    model_config = ConfigDict(strict=True)

    format: Literal[1]
    fingerprint: str
    metadata_sha256: str
    sha256: list[str]


@dataclass(frozen=True)
class _Record:
    """What is said of one picture, all its lines together."""

    id: str
    file_name: str
    captions: tuple[str, ...]
    further: dict[str, Any]


def scan(
    folder: Path | str,
    progress: Callable[[int, int], None] | None = None,
    columns: Columns | None = None,
) -> TrainingSet:
    """Read the metadata, hash and decode every picture; `progress(done, total)` after each.

    Raises:
        TrainingSetError: the folder is not a captioned image folder; all that is wrong is told at once.
    """
    folder, problems = Path(folder), Problems()
    records, metadata = _read(folder, columns or Columns(), problems)
    hashes = []
    for done, record in enumerate(records, 1):
        hashes.append(_picture_sha256(folder, record.file_name, problems))
        if progress is not None:
            progress(done, len(records))
    problems.check(metadata.source, metadata.remedy)
    return TrainingSet(folder, _examples(records, hashes), metadata.sha256)


def save(training_set: TrainingSet, index_path: Path) -> None:
    """Write what `scan` has hashed, so that opening need not hash again."""
    index = {
        "format": INDEX_FORMAT,
        "fingerprint": training_set.fingerprint,
        "metadata_sha256": training_set.metadata_sha256,
        "sha256": [example.sha256 for example in training_set.examples],
    }
    part = index_path.with_name(index_path.name + ".part")
    part.write_text(json.dumps(index, indent=0) + "\n", encoding="utf-8")
    part.replace(index_path)


def load(
    index_path: Path, folder: Path | str, columns: Columns | None = None, index: bytes | None = None
) -> TrainingSet:
    """The training set as it was scanned. Pictures are hashed again as they are read.

    Args:
        index: what the file of the index holds, where it has been read already.

    Raises:
        TrainingSetError: the metadata has changed since, or something is missing.
    """
    folder, problems = Path(folder), Problems()
    records, metadata = _read(folder, columns or Columns(), problems)
    # An empty caption was once let in; it troubles nobody until it is asked about.
    problems.check(metadata.source, metadata.remedy, but=(Problem.EMPTY,))
    try:
        known = _Index.model_validate_json(index_path.read_bytes() if index is None else index)
    except (OSError, ValidationError):
        raise TrainingSetError(f"{index_path} is missing or damaged: {_scan_again(index_path)}") from None
    if metadata.sha256 != known.metadata_sha256 or len(known.sha256) != len(records):
        raise TrainingSetError(
            f"{metadata.source} has changed since it was scanned (its sha256 is "
            f"{metadata.sha256[:12]}, was {known.metadata_sha256[:12]}): {_scan_again(index_path)}"
        )
    return TrainingSet(folder, _examples(records, known.sha256), metadata.sha256)


def _scan_again(index_path: Path) -> str:
    return f"run `python -m precompute init --workspace {shlex.quote(str(index_path.parent))}`"


def _read(folder: Path, columns: Columns, problems: Problems) -> tuple[list[_Record], Metadata]:
    """What the metadata says of each picture (or of each picture and caption), and the metadata."""
    metadata = read_metadata(folder, problems)
    there = {name: None for line in metadata.lines for name in line.values}
    if not metadata.lines:
        problems.check(metadata.source, metadata.remedy)
        raise TrainingSetError(f"{metadata.source} names no pictures")
    image, caption = columns.found(there, metadata.source)
    said = (_record(line, image, caption, problems) for line in metadata.lines)
    together = _together([record for record in said if record is not None], problems)
    records = [each for record in together for each in _one_caption_each(record, columns, problems)]
    for name, count in Counter(record.id for record in records).items():
        if count > 1:
            problems.add(Problem.SAME_ID, repr(name))
    return records, metadata


def _record(line: Line, image: str, caption: str, problems: Problems) -> _Record | None:
    """One line; None if nothing can be made of it."""
    values = dict(line.values)
    name, said = values.pop(image, None), values.pop(caption, None)
    if isinstance(name, dict | bytes):
        raise TrainingSetError(
            f"{line.where} has a picture's bytes in {image!r}: write the pictures out as files, and their "
            "names in this column"
        )
    if not isinstance(name, str) or not name:
        problems.add(Problem.NO_FILE, line.where)
        return None
    captions = said if isinstance(said, list) else [said]
    if not captions or not all(isinstance(each, str) for each in captions):
        problems.add(Problem.NO_CAPTION, f"{line.where}: {name!r}")
        return None
    path = PurePosixPath(line.inside + name)
    if path.is_absolute() or ".." in path.parts or not PurePosixPath(name).parts or not _plain(name):
        problems.add(Problem.LEAVES, f"{line.where}: {name!r}")
        return None
    file_name = line.inside + name
    own = str(values.pop(ID)) if ID in values else file_name
    if not own or not _plain(own):
        problems.add(Problem.BAD_ID, f"{line.where}: {own!r}")
    return _Record(own, file_name, tuple(captions), values)


def _together(records: Sequence[_Record], problems: Problems) -> list[_Record]:
    """The lines of one picture as one, where the first of them is."""
    found: dict[str, _Record] = {}
    for record in records:
        other = found.get(record.file_name)
        if other is None:
            found[record.file_name] = record
        elif other.id != record.id:
            problems.add(Problem.SAME_FILE, repr(record.file_name))
        else:
            found[record.file_name] = replace(other, captions=other.captions + record.captions)
    return list(found.values())


def _one_caption_each(record: _Record, columns: Columns, problems: Problems) -> Iterable[_Record]:
    """A picture with several captions as `columns.captions` has it."""
    captions = record.captions[:1] if columns.captions == FIRST else record.captions
    if any(not caption.strip() for caption in captions):
        problems.add(Problem.EMPTY, f"of {record.file_name!r}")
    if len(captions) == 1:
        return [replace(record, captions=captions)]
    if columns.captions == EACH:
        numbered = enumerate(captions, 1)
        return [replace(record, id=f"{record.id}#{k}", captions=(each,)) for k, each in numbered]
    problems.add(Problem.SEVERAL, repr(record.file_name))
    return [record]


def _plain(text: str) -> bool:
    """No control characters, neither in an id nor in a file name."""
    return not any(ord(character) < 32 or ord(character) == 127 for character in text)


def _picture_sha256(folder: Path, file_name: str, problems: Problems) -> str:
    """The hash of a picture's file; what is wrong with it is added to the problems."""
    try:
        data = (folder / file_name).read_bytes()
    except OSError as problem:
        gone = isinstance(problem, FileNotFoundError | NotADirectoryError)
        problems.add(Problem.GONE if gone else Problem.NO_PICTURE, repr(file_name))
        return ""
    fault = fault_of(data)
    if fault is not None:
        problems.add(FAULTS[fault], repr(file_name))
    return hashlib.sha256(data).hexdigest()


def _examples(records: Sequence[_Record], hashes: Sequence[str]) -> list[Example]:
    return [
        Example(row, record.id, record.file_name, record.captions[0], sha256, record.further)
        for row, (record, sha256) in enumerate(zip(records, hashes, strict=True))
    ]
