"""What every room needs of files: hashes, names, durable writing, words for bad JSON, a cache's place."""

from __future__ import annotations

import hashlib
import os
import reprlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

Place = tuple[int | str, ...]  # keys and indices that lead to a value


def files_below(folder: Path) -> list[Path]:
    """Return every file below a folder, in order; none where there is no such folder.

    Raises:
        OSError: a folder cannot be listed. `Path.rglob` would leave it out without a word, and what is
            made of the files, a fingerprint say, would be that of others.
    """

    def refuse(problem: OSError) -> None:
        if not isinstance(problem, FileNotFoundError) or folder.exists():
            raise problem

    return sorted(Path(root, name) for root, _, names in os.walk(folder, onerror=refuse) for name in names)


def file_sha256(path: Path) -> str:
    """In hexadecimal; the file is never held whole.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_durably(path: Path, *parts: bytes | memoryview) -> None:
    """All parts, one after the other, under this name or nothing, also after a power cut."""
    part = path.with_name(f".{path.name}")
    try:
        with part.open("wb") as handle:
            for data in parts:
                handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        part.rename(path)
    except BaseException:
        with suppress(OSError):  # of a disk that takes nothing any more
            part.unlink(missing_ok=True)
        raise
    sync(path.parent)


@contextmanager
def folder_whole(folder: Path) -> Iterator[Path]:
    """A folder to fill that takes this name once all is in it; whatever goes wrong, nothing is left."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of one that was killed
    part.mkdir(parents=True)
    try:
        yield part
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_whole(path: Path, data: bytes) -> None:
    """All of `data` where a person wants it, or what was there before; a pipe takes it as it comes."""
    if path.exists() and not path.is_file():
        path.write_bytes(data)
    else:
        write_durably(path.resolve(), data)


def sync(path: Path) -> None:
    """Have the system write a file's bytes, or a folder's names, to the disk now."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_plain(text: str) -> bool:
    """Whether it has no control characters."""
    return not any(ord(character) < 32 or ord(character) == 127 for character in text)


def is_whole(text: str) -> bool:
    """Whether it can be written as UTF-8: no half of a character is in it, which JSON can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_inside(name: str) -> bool:
    """Whether it names a file of a folder, in plain characters, and does not lead out of it."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and is_plain(name)


def cache_root() -> Path:
    """Where lies what is large and can be made again: `WHENCE_CACHE`, or `~/.cache/whence`."""
    return Path(os.environ.get("WHENCE_CACHE", Path.home() / ".cache" / "whence"))


def dotted(place: Place) -> str:
    """`ranking.0.score`; of the whole, "it"."""
    return ".".join(map(str, place)) or "it"


def first_problem(refused: ValidationError, words: Callable[[Place], str] = dotted) -> str:
    """The first thing that is wrong, on one line: "settings has no 'seed'".

    Args:
        words: what a place is called.
    """
    found = refused.errors(include_url=False, include_context=False)[0]
    place, kind = found["loc"], found["type"]
    if kind == "missing":
        return f"{words(place[:-1])} has no {place[-1]!r}"
    if kind == "extra_forbidden":
        return f"{words(place[:-1])} has an unknown {place[-1]!r}"
    if kind in ("model_type", "dict_type"):
        return f"{words(place)} is not an object"
    if kind == "json_invalid":
        return f"{words(place)} is no JSON: {found['msg'].removeprefix('Invalid JSON: ')}"
    if kind == "value_error":  # of a check of our own, whose words say all
        own = found["msg"].removeprefix("Value error, ")
        return f"{words(place)}: {own}" if place else own
    if kind == "list_type":
        return f"{words(place)} is not a list"
    return f"{words(place)} is {reprlib.repr(found['input'])}, where {_wanted(found['msg'])} should be"


def _wanted(message: str) -> str:
    return message.removeprefix("Input should be ").rstrip(".").lower()
