"""A captioned image folder as a training set.

The form is `imagefolder`'s: pictures, and beside them `metadata.jsonl` with one object a line,
`file_name` and `text`, optionally `id`, and any further columns (artist, license, source, ...).
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError

from attribution.data.files import file_sha256
from attribution.data.images import FORMATS
from attribution.data.training_set import Example, TrainingSet
from attribution.errors import ImageError, TrainingSetError

METADATA = "metadata.jsonl"
INDEX_FORMAT = 1


class _Index(BaseModel):
    """What `save` writes."""

    model_config = ConfigDict(strict=True)

    format: Literal[1]
    fingerprint: str
    metadata_sha256: str
    sha256: list[str]


class _Record(BaseModel):
    """One line of the metadata; its further columns are whatever they are."""

    model_config = ConfigDict(strict=True, extra="allow")

    file_name: str
    text: str
    id: Any = None  # a number is taken as its digits; the file name, where the line has none

    @property
    def name(self) -> str:
        """The example's id."""
        return str(self.id) if "id" in self.model_fields_set else self.file_name


def scan(folder: Path | str, progress: Callable[[int, int], None] | None = None) -> TrainingSet:
    """Read the metadata and hash every picture; `progress(done, total)` after each.

    Raises:
        TrainingSetError: the folder is not a captioned image folder.
    """
    folder = Path(folder)
    records, metadata_sha256 = _read_metadata(folder)
    hashes = []
    for done, record in enumerate(records, 1):
        hashes.append(_picture_sha256(folder, record.file_name))
        if progress is not None:
            progress(done, len(records))
    return TrainingSet(folder, _examples(records, hashes), metadata_sha256)


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


def load(index_path: Path, folder: Path | str) -> TrainingSet:
    """The training set as it was scanned. Pictures are not hashed again (`verify` does that).

    Raises:
        TrainingSetError: the metadata has changed since, or something is missing.
    """
    folder = Path(folder)
    records, metadata_sha256 = _read_metadata(folder)
    try:
        index = _Index.model_validate_json(index_path.read_bytes())
    except (OSError, ValidationError):
        raise TrainingSetError(f"{index_path} is missing or damaged: {_scan_again(index_path)}") from None
    if metadata_sha256 != index.metadata_sha256 or len(index.sha256) != len(records):
        raise TrainingSetError(
            f"{folder / METADATA} has changed since it was scanned (its sha256 is "
            f"{metadata_sha256[:12]}, was {index.metadata_sha256[:12]}): {_scan_again(index_path)}"
        )
    return TrainingSet(folder, _examples(records, index.sha256), metadata_sha256)


def _scan_again(index_path: Path) -> str:
    return f"run `python -m precompute init --workspace {shlex.quote(str(index_path.parent))}`"


def _read_metadata(folder: Path) -> tuple[list[_Record], str]:
    """The checked lines of the metadata, and its sha256."""
    path = folder / METADATA
    try:
        data = path.read_bytes()
    except OSError:
        what = "is not a folder" if not folder.is_dir() else f"has no {METADATA}"
        raise TrainingSetError(
            f"{folder} {what}: a training set is a folder of pictures with a {METADATA}, one "
            '{"file_name": ..., "text": ...} a line'
        ) from None
    try:
        lines = data.decode("utf-8").split("\n")  # not splitlines: captions may hold odd separators
    except UnicodeDecodeError:
        raise TrainingSetError(f"{path} is not UTF-8 text") from None
    records = [_record(path, n, line) for n, line in enumerate(lines, 1) if line.strip()]
    if not records:
        raise TrainingSetError(f"{path} names no pictures")
    named = {"id": [each.name for each in records], "file_name": [each.file_name for each in records]}
    for key, values in named.items():
        value, count = Counter(values).most_common(1)[0]
        if count > 1:
            raise TrainingSetError(f"{path} has the {key} {value!r} {count} times: they must be unique")
    return records, hashlib.sha256(data).hexdigest()


def _record(path: Path, number: int, line: str) -> _Record:
    where = f"{path} line {number}"
    try:
        # JSON and record apart, so that each has its own error.
        record = _Record.model_validate(json.loads(line))
    except ValidationError as refused:
        if refused.errors()[0]["loc"] == ("text",):
            raise TrainingSetError(f'{where} has no "text": every picture needs its caption') from None
        raise TrainingSetError(f'{where} has no "file_name"') from None
    except (ValueError, RecursionError):
        raise TrainingSetError(f"{where} is not JSON") from None
    name = PurePosixPath(record.file_name)
    if name.is_absolute() or ".." in name.parts or not name.parts or not _plain(record.file_name):
        raise TrainingSetError(f"{where}: file name {record.file_name!r} leaves the folder")
    if not record.name or not _plain(record.name):
        raise TrainingSetError(f"{where}: id {record.name!r} is empty or has control characters")
    return record


def _plain(text: str) -> bool:
    """No control characters, neither in an id nor in a file name."""
    return not any(ord(character) < 32 or ord(character) == 127 for character in text)


def _picture_sha256(folder: Path, file_name: str) -> str:
    path = folder / file_name
    try:
        found = file_sha256(path)
        with Image.open(path, formats=FORMATS):
            pass  # the header alone; a cut file shows when it is encoded
    except OSError as problem:
        missing = isinstance(problem, FileNotFoundError)
        raise TrainingSetError(
            f"{path} {'does not exist' if missing else 'is not a PNG, JPEG or WEBP'}"
        ) from None
    except Image.DecompressionBombError:
        raise ImageError(f"{path} has too many pixels") from None
    return found


def _examples(records: Sequence[_Record], hashes: Sequence[str]) -> list[Example]:
    return [
        Example(row, record.name, record.file_name, record.text, sha256, record.model_extra or {})
        for row, (record, sha256) in enumerate(zip(records, hashes, strict=True))
    ]
