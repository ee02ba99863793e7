"""The files of a kept run: how they are written, read with a limit, and what a disk may say against it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path

from attribution.data.files import sync
from attribution.errors import InputError, ResultError

MAX_FILE = 2**28  # bytes; what we write is far smaller
REFUSED = (OSError, MemoryError)  # by the disk or the machine
# Whatever reading a file that is not ours may raise.
MALFORMED = (InputError, *REFUSED, EOFError, TypeError, ValueError, RecursionError)


def checked_bytes(path: Path, hashes: Mapping[str, str]) -> bytes:
    """A file's bytes; raises ResultError where they are others than those of these hashes, by name."""
    if path.stat().st_size > MAX_FILE:
        raise ResultError(f"{path.name} is larger than anything we write")
    data = path.read_bytes()
    if sha256(data) != hashes.get(path.name):
        raise ResultError(f"{path.name} is not what was written")
    return data


def unzipped(data: bytes) -> bytes:
    """What gzip made them of; raises ResultError for far too much."""
    with gzip.open(io.BytesIO(data)) as opened:
        found = opened.read(MAX_FILE + 1)
    if len(found) > MAX_FILE:
        raise ResultError("the answers are larger than anything we write")
    return found


def json_bytes(value: object) -> bytes:
    """JSON on a line."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def sha256(data: bytes) -> str:
    """In hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def written(path: Path) -> float:
    """When; 0 for what has just gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def make_durable(folder: Path) -> None:
    """Have all of a folder on the disk, readable by its owner alone."""
    for path in [*folder.iterdir(), folder]:
        if path != folder:
            path.chmod(0o600)
        sync(path)


def why(refused: Exception) -> str:
    """What a disk or the machine said."""
    if isinstance(refused, MemoryError):
        return "out of memory"
    return str(getattr(refused, "strerror", None) or refused)
