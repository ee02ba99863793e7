"""Room for the files that programs send, through Gradio's own route: some, of some bytes, for some time.

Gradio takes each file up to a size, as many as are sent, and keeps them for a day if its clock runs; it
keeps what pages give out beside them. Here what is old goes with every file that comes; then what is given
out too much of; then the oldest of whoever has sent many; then the oldest of all, until there is room; and
where all are new, whoever sends is told to come again.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.runtime.reports import REPORTS

ROUTE = "/gradio_api/upload"
AROUND = 2**16  # bytes of a form around its files


@dataclass(frozen=True)
class Limits:
    """How much is kept, in folders of one file each.

    Attributes:
        files: how many that were sent.
        of_one: how many of one address: its own oldest go before it fills the room of others.
        given_out: how many that pages offer, answers as files say: the oldest go, and are written again.
        bytes: of all together.
        each: bytes of one request.
        age: seconds, after which a file goes.
        young: seconds, in which none goes to make room for others.
    """

    files: int = 500
    of_one: int = 100
    given_out: int = 2_000
    bytes: int = 2**30
    each: int = 20 * 2**20
    age: float = 6 * 3600.0
    young: float = 300.0


class Folder(NamedTuple):
    """A folder: when it was written, in seconds since 1970, its bytes, and where it is."""

    written: float
    size: int
    path: Path


class Kept:
    """Folders that are there, the oldest first."""

    def __init__(self, found: Iterable[Folder]) -> None:
        self._there = {each.path: each for each in sorted(found)}
        self.bytes = sum(each.size for each in self._there.values())

    def __iter__(self) -> Iterator[Folder]:
        return iter(list(self._there.values()))

    def let_go(self, some: Iterable[Folder]) -> None:
        """Delete some of them."""
        for each in some:
            if self._there.pop(each.path, None) is not None:
                self.bytes -= each.size
                shutil.rmtree(each.path, ignore_errors=True)


def takes_files(path: str) -> bool:
    """Whether a request for this path brings files, to whichever model's page."""
    return path.rstrip("/").endswith(ROUTE)


class UploadRoom:
    """Makes room before a file is taken in, or says that there is none.

    Args:
        clock: seconds since 1970, as the files' own times.
    """

    def __init__(self, app: ASGIApp, limits: Limits, clock: Callable[[], float] = time.time) -> None:
        self.app, self._limits, self._clock = app, limits, clock
        self._senders: dict[Path, str] = {}  # of folders of files that were sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not takes_files(scope["path"]):
            await self.app(scope, receive, send)
            return
        address = (scope.get("client") or ("",))[0]
        if (refused := await self._refusal(Headers(scope=scope), address)) is None:
            await self.app(scope, receive, self._noting(address, send))
            return
        REPORTS.refused(f"an upload was refused: {bytes(refused.body).decode()}")
        await refused(scope, receive, send)

    def _noting(self, address: str, send: Send) -> Send:
        """`send`, which notes in which folders an answer says that the files of an address lie."""
        told = bytearray()

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.body":
                told.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    self.note(_folders_named(bytes(told)), address)
            await send(message)

        return noted

    def note(self, sent: Iterable[Path], address: str) -> None:
        """Take folders for those of files that an address has sent."""
        self._senders.update(dict.fromkeys(sent, address))

    async def _refusal(self, headers: Headers, address: str) -> PlainTextResponse | None:
        length = headers.get("content-length", "")
        if not length.isdecimal():
            return PlainTextResponse("say how long the file is: it needs a Content-Length", 411)
        if int(length) > self._limits.each + AROUND:
            return PlainTextResponse(
                f"files larger than {self._limits.each / 2**20:g} MB together are not taken", 413
            )
        if not await run_in_threadpool(self.make_room, int(length), address):
            return PlainTextResponse("too many files have been sent: send it again in a while", 503)
        return None

    def make_room(self, coming: int, address: str = "") -> bool:
        """Delete what is old, and what there is too much of; whether there is room for so many bytes more.

        Args:
            address: whose files they are; of one that has sent many, its own oldest go first.
        """
        known = list(self._senders)  # before it is looked: others come meanwhile
        kept = Kept(folders(Path(os.environ["GRADIO_TEMP_DIR"])))
        for gone in set(known) - {each.path for each in kept}:
            self._senders.pop(gone, None)
        now, limits = self._clock(), self._limits
        kept.let_go([each for each in kept if now - each.written > limits.age])
        given_out = [each for each in kept if each.path not in self._senders]
        own = [each for each in kept if self._senders.get(each.path) == address]
        kept.let_go(given_out[: max(0, len(given_out) - limits.given_out)])
        kept.let_go(own[: max(0, len(own) - limits.of_one + 1)])
        for each in given_out:
            if kept.bytes + coming <= limits.bytes:
                break
            kept.let_go([each])
        for each in [each for each in kept if now - each.written > limits.young]:
            if not self._is_full(kept, coming):
                break
            kept.let_go([each])
        return not self._is_full(kept, coming)

    def _is_full(self, kept: Kept, coming: int) -> bool:
        sent = sum(each.path in self._senders for each in kept)
        return sent >= self._limits.files or kept.bytes + coming > self._limits.bytes


def _folders_named(answer: bytes) -> set[Path]:
    """The folders of the files that Gradio's route says it has kept; none where it says something else."""
    try:
        named = json.loads(answer)
    except ValueError:
        return set()
    return (
        {Path(each).parent for each in named if isinstance(each, str)} if isinstance(named, list) else set()
    )


def folders(root: Path) -> list[Folder]:
    """Each folder of files that were sent or are given out."""
    found = []
    for folder in root.iterdir() if root.is_dir() else ():
        try:
            files = [path.stat() for path in folder.iterdir()]
            found.append(Folder(folder.stat().st_mtime, sum(each.st_size for each in files), folder))
        except (FileNotFoundError, NotADirectoryError):  # gone meanwhile, or not a folder of ours
            continue
    return found
