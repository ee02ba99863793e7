"""A disk that fails at a chosen call: an open, a read, a write, an fsync, a rename, a removal, a listing.

It stands between Python and the system: audit hooks see what is opened, renamed, made, removed and
listed, and files are opened through a class that sees what is read and written. What a library does in
its own compiled code (the weights that safetensors maps, tokenizers) is not seen.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

CHANGES = frozenset({"open to write", "write", "fsync", "rename", "mkdir"})
READS = frozenset({"open to read", "read", "list"})
EVENTS = {
    "os.rename": "rename", "os.mkdir": "mkdir", "os.remove": "remove", "os.rmdir": "remove",
    "os.listdir": "list", "os.scandir": "list", "os.link": "rename",
}  # fmt: skip
FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
RANDOM = re.compile(r"\b[0-9a-f]{8,16}(?=\.part\b)")  # of a name that is drawn anew each time
_open = io.open

Call = tuple[str, str, int]  # what, the path from the room, and the how-manieth time


@dataclass(frozen=True)
class Fault:
    """What goes wrong.

    Attributes:
        kinds: of calls that it befalls.
        problem: what is raised there.
        lasting: whether all such calls fail from then on, as on a disk that is full.
    """

    name: str
    kinds: frozenset[str]
    problem: Callable[[str], BaseException]
    lasting: bool = False


def _said_by_system(number: int) -> Callable[[str], OSError]:
    return lambda path: OSError(number, os.strerror(number), path)


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("full", CHANGES, _said_by_system(errno.ENOSPC), lasting=True),
        Fault("read-only", (CHANGES | {"remove"}) - {"write"}, _said_by_system(errno.EROFS), lasting=True),
        Fault("unreadable", READS - {"read"}, _said_by_system(errno.EACCES)),
        Fault("broken", READS | CHANGES | {"remove"}, _said_by_system(errno.EIO)),
        Fault("no-memory", READS | CHANGES, lambda _: MemoryError()),
    )
}


class Disk:
    """The files under a folder, of which one call fails; a context, in which that may happen.

    Args:
        room: whatever lies elsewhere is left alone.
        fault: what goes wrong; None for nothing, to see which calls there are.
        past: calls at which it went wrong already; the next other one fails, and is put there.
    """

    def __init__(self, room: Path, fault: Fault | None, past: set[Call]):
        self._room, self._fault, self._past = f"{room.resolve()}{os.sep}", fault, past
        self.seen: Counter[tuple[str, str]] = Counter()
        self._lock, self._stack = threading.RLock(), ExitStack()
        self.fired: Call | None = None

    def __enter__(self) -> Disk:
        _watch(self)
        self._stack.callback(_watch, None)
        for name, module in (("open", builtins), ("open", io), ("fsync", os)):
            self._stack.enter_context(patch.object(module, name, getattr(self, f"_{name}")))
        # NumPy writes to real files past their `write`.
        self._stack.enter_context(patch("numpy.lib._format_impl.isfileobj", lambda _: False))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def call(self, kind: str, path: object) -> None:
        """Raises what goes wrong, if it does here."""
        place = self._place(path)
        if place is None:
            return
        with self._lock:
            self.seen[kind, place] += 1
            here = (kind, place, self.seen[kind, place])
            if self._fault is None or kind not in self._fault.kinds:
                return
            if self.fired is None and here not in self._past:
                self.fired = here
                self._past.add(here)
            elif self.fired is None or not self._fault.lasting:
                return
        raise self._fault.problem(os.fsdecode(path))  # type: ignore[arg-type]

    def _place(self, path: object) -> str | None:
        if not isinstance(path, str | bytes | os.PathLike):
            return None
        whole = os.path.abspath(os.fsdecode(path))
        return RANDOM.sub("*", whole.removeprefix(self._room)) if whole.startswith(self._room) else None

    def _fsync(self, handle: Any) -> None:
        """No real one, for thousands take minutes."""
        number = handle if isinstance(handle, int) else handle.fileno()
        self.call("fsync", os.readlink(f"/proc/self/fd/{number}"))

    def _open(self, file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **more: Any) -> Any:
        if self._place(file) is None or rest[3:] or more.get("opener"):
            return _open(file, mode, buffering, *rest, **more)
        raw = _File(file, mode.replace("b", "").replace("t", ""), self)
        buffered: Any
        if raw.readable() and raw.writable():
            buffered = io.BufferedRandom(raw)
        else:
            buffered = io.BufferedReader(raw) if raw.readable() else io.BufferedWriter(raw)
        if "b" in mode:
            return raw if buffering == 0 else buffered
        return io.TextIOWrapper(buffered, *rest[:3], **more)


class _File(io.FileIO):
    """A file each of whose reads and writes may fail; a write that does has written half."""

    def __init__(self, file: Any, mode: str, disk: Disk):
        super().__init__(file, mode)
        self._path, self._disk = file, disk

    def write(self, data: Any) -> int:
        try:
            self._disk.call("write", self._path)
        except BaseException:
            super().write(memoryview(data)[: len(data) // 2])
            raise
        return super().write(data)

    def readinto(self, into: Any) -> int:
        self._disk.call("read", self._path)
        return super().readinto(into)

    def readall(self) -> bytes:
        self._disk.call("read", self._path)
        return super().readall()


_watched: list[Disk | None] = [None]


def _watch(disk: Disk | None) -> None:
    _watched[0] = disk


def _audit(event: str, args: tuple[Any, ...]) -> None:
    disk = _watched[0]
    if disk is None:
        return
    if event == "open":
        disk.call("open to write" if args[2] & FOR_WRITING else "open to read", args[0])
    elif event in EVENTS:
        disk.call(EVENTS[event], args[0])


sys.addaudithook(_audit)  # for good: there is no way to take one away
