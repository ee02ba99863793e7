"""Small files that are read and written whole: plans, panels, records."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from attribution.errors import ResultError

T = TypeVar("T")


def digest_of(*parts: Any) -> str:
    """A hash of plain JSON values; 16 hexadecimal digits."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def plain(kind: Any, value: Any) -> Any:
    """A dataclass as plain JSON values."""
    return TypeAdapter(kind).dump_python(value, mode="json")


def checked(kind: type[T], value: Any, where: Path | str) -> T:
    """Plain values as a dataclass.

    Raises:
        ResultError: they are not one; says where and which value is wrong.
    """
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as problem:
        first = problem.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ResultError(f"{where} is no {kind.__name__.lower()}: {place}: {first['msg']}") from None


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        ResultError: it is not there, or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ResultError(f"there is no file {path}") from None
    except ValueError:
        raise ResultError(f"{path} is not JSON, or cut short") from None


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, whoever else writes it at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())
    part.replace(path)


def as_text(value: Any) -> bytes:
    """Plain values as a JSON file that can be compared line by line; a list of numbers is one line."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    numbers = re.compile(r"\[\n\s+([-+\d.eE,\s]+?)\n\s*\]")  # a string holds no line ends
    return (numbers.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n").encode()
