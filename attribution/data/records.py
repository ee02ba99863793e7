"""What is said of each picture, made one record a training image: file names, ids and captions, checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from attribution.data.columns import EACH, FIRST, ID, MEAN, Columns
from attribution.data.files import is_inside, is_plain, is_whole
from attribution.data.metadata import Line, Metadata
from attribution.data.problems import Problem, Problems
from attribution.errors import TrainingSetError


@dataclass(frozen=True)
class Record:
    """What is said of one picture, all its lines together."""

    id: str
    file_name: str
    captions: tuple[str, ...]
    further: dict[str, Any]


def records_of(metadata: Metadata, columns: Columns, problems: Problems) -> list[Record]:
    """What the metadata says of each picture (or of each picture and caption).

    Raises:
        TrainingSetError: it names no pictures, or its columns cannot be told.
    """
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
    return records


def _record(line: Line, image: str, caption: str, problems: Problems) -> Record | None:
    """One line; None if nothing can be made of it."""
    values = dict(line.values)
    name, said = values.pop(image, None), values.pop(caption, None)
    if isinstance(name, dict | bytes):
        raise TrainingSetError(
            f"{line.where} has a picture's bytes in {image!r}: call a table that holds its pictures "
            "train.parquet, not metadata.parquet"
        )
    if not isinstance(name, str) or not name:
        problems.add(Problem.NO_FILE, line.where)
        return None
    captions = said if isinstance(said, list) else [said]
    if not captions or not all(isinstance(each, str) for each in captions):
        problems.add(Problem.NO_CAPTION, f"{line.where}: {name!r}")
        return None
    if not is_whole(name):
        problems.add(Problem.HALF, f"{line.where}: {name!r}")
        return None
    if not is_inside(name) or not is_inside(line.inside + name):
        problems.add(Problem.LEAVES, f"{line.where}: {name!r}")
        return None
    file_name = line.inside + name
    own = str(values.pop(ID)) if ID in values else file_name
    if not own or not is_plain(own):
        problems.add(Problem.BAD_ID, f"{line.where}: {own!r}")
    return Record(own, file_name, tuple(captions), values)


def _together(records: Sequence[Record], problems: Problems) -> list[Record]:
    """The lines of one picture as one, where the first of them is."""
    found: dict[str, Record] = {}
    for record in records:
        other = found.get(record.file_name)
        if other is None:
            found[record.file_name] = record
        elif other.id != record.id:
            problems.add(Problem.SAME_FILE, repr(record.file_name))
        else:
            found[record.file_name] = replace(other, captions=other.captions + record.captions)
    return list(found.values())


def _one_caption_each(record: Record, columns: Columns, problems: Problems) -> Iterable[Record]:
    """A picture with several captions as `columns.captions` has it."""
    captions = record.captions[:1] if columns.captions == FIRST else record.captions
    if any(not caption.strip() for caption in captions):
        problems.add(Problem.EMPTY, f"of {record.file_name!r}")
    if not all(map(is_whole, (record.id, *captions))):
        problems.add(Problem.HALF, f"of {record.file_name!r}")
    if len(captions) == 1 or columns.captions == MEAN:
        return [replace(record, captions=captions)]
    if columns.captions == EACH:
        numbered = enumerate(captions, 1)
        return [replace(record, id=f"{record.id}#{k}", captions=(each,)) for k, each in numbered]
    problems.add(Problem.SEVERAL, repr(record.file_name))
    return [record]
