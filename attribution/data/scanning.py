"""A training set is scanned once, what was found is kept, and from then on it is opened.

Its pictures are files of a folder, and what says their captions is in `attribution.data.metadata`; or they
lie in shards (`attribution.data.shards`). The usual form is `imagefolder`'s: a `metadata.jsonl` with one
object a line, `file_name` and `text`, optionally `id`, and any further columns (artist, license, ...).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from attribution.data.columns import Columns
from attribution.data.files import file_sha256
from attribution.data.images import Fault, fault_of
from attribution.data.metadata import Metadata, folder_of, read_metadata
from attribution.data.pictures import Files, Packed, Pictures
from attribution.data.problems import Problem, Problems
from attribution.data.records import Record, records_of
from attribution.data.shards import found_shards, read_shards
from attribution.data.training_set import Example, TrainingSet

FAULTS = {
    Fault.FOREIGN: Problem.NO_PICTURE,
    Fault.DAMAGED: Problem.BROKEN,
    Fault.TOO_LARGE: Problem.TOO_LARGE,
}


def scan(
    source: Path | str,
    progress: Callable[[int, int], None] | None = None,
    columns: Columns | None = None,
) -> TrainingSet:
    """Read the metadata, hash and decode every picture; `progress(done, total)` after each.

    Args:
        source: a folder, a list of its pictures, or a single shard.

    Raises:
        TrainingSetError: it is no captioned training set; all that is wrong is told at once.
    """
    columns, problems = columns or Columns(), Problems()
    metadata, pictures = read(Path(source), columns, problems)
    records = records_of(metadata, columns, problems)
    hashes: dict[str, str] = {}
    for done, record in enumerate(records, 1):
        if record.file_name not in hashes:
            hashes[record.file_name] = _picture_sha256(pictures, record.file_name, problems)
        if progress is not None:
            progress(done, len(records))
    problems.check(metadata.source, metadata.remedy)
    examples = examples_of(records, [hashes[record.file_name] for record in records])
    folder = folder_of(Path(source))
    return TrainingSet(folder, examples, metadata.sha256, pictures, _shard_hashes(folder, pictures))


def read(source: Path, columns: Columns, problems: Problems) -> tuple[Metadata, Pictures]:
    """What a training set says of its pictures, and where they lie.

    Raises:
        TrainingSetError: it cannot be read at all.
    """
    if shards := found_shards(source):
        return read_shards(folder_of(source), shards, columns, problems)
    return read_metadata(source, problems), Files(folder_of(source))


def examples_of(records: Sequence[Record], hashes: Sequence[str]) -> list[Example]:
    """The training images, in their order."""
    return [
        Example(
            row,
            record.id,
            record.file_name,
            record.captions[0],
            sha256,
            record.further,
            record.captions[1:],
        )
        for row, (record, sha256) in enumerate(zip(records, hashes, strict=True))
    ]


def _picture_sha256(pictures: Pictures, file_name: str, problems: Problems) -> str:
    """The hash of a picture's file; what is wrong with it is added to the problems."""
    try:
        data = pictures.data(file_name)
    except OSError as problem:
        absent = Problem.OUTSIDE if isinstance(pictures, Packed) else Problem.GONE
        gone = isinstance(problem, FileNotFoundError | NotADirectoryError)
        problems.add(absent if gone else Problem.NO_PICTURE, repr(file_name))
        return ""
    fault = fault_of(data)
    if fault is not None:
        problems.add(FAULTS[fault], repr(file_name))
    return hashlib.sha256(data).hexdigest()


def _shard_hashes(folder: Path, pictures: Pictures) -> dict[str, str]:
    if not isinstance(pictures, Packed):
        return {}
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in pictures.shards}
