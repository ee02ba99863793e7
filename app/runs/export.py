"""The answer as files to take away."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cachetools import LRUCache

from app.runs.run import Picture, Run
from attribution.data.images import write_png
from attribution.methods.finding import summary
from attribution.query import Box
from attribution.serialization import to_csv, to_json

PREFIX = "whence-export-"
AN_HOUR = 3600.0
WRITTEN = 16  # runs whose files are remembered: the examples are wanted again and again


def fresh_folder() -> Path:
    """A fresh private folder: two people's files never meet, and names stay readable.

    Gradio copies what it gives out, so folders of an hour ago are of no use to anyone.
    """
    for old in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(FileNotFoundError):  # another request may be clearing up as well
            if time.time() - old.stat().st_mtime > AN_HOUR:
                shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=PREFIX))


def answer_json(run: Run, top_k: int | None = None) -> dict[str, Any]:
    """An answer with its summary, as README.md has it; of several parts, each under "parts"."""
    answers = [
        {"summary": summary(answer.rankings), **to_json(answer, top_k)}
        for answer in (part.attribution for part in run.parts)
        if answer is not None
    ]
    return answers[0] if len(answers) == 1 else {"parts": answers}


class WrittenOnce:
    """Writes a file of a run where the last one is not there any more: a run never changes.

    Gradio copies what it gives out; a file of ours is there for an hour after it was last wanted.
    """

    def __init__(self, write: Callable[[Run], Path]) -> None:
        self._write, self._lock = write, threading.Lock()
        self._files: LRUCache[int, tuple[Run, Path]] = LRUCache(WRITTEN)  # by the identity of the run

    def __call__(self, run: Run) -> Path:
        """The file, with whatever the run holds."""
        with self._lock:
            known, path = self._files.get(id(run), (None, Path()))
            if known is not run or not path.exists():
                path = self._write(run)
                self._files[id(run)] = run, path
            os.utime(path.parent)
            return path


@WrittenOnce
def write_json(run: Run) -> Path:
    path = fresh_folder() / f"{name_of(run.caption)}.json"
    path.write_text(json.dumps(answer_json(run), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


@WrittenOnce
def write_csv(run: Run) -> Path:
    """One table; of several parts, one below another, each behind its own comment lines."""
    path = fresh_folder() / f"{name_of(run.caption)}.csv"
    tables = [to_csv(part.attribution) for part in run.parts if part.attribution is not None]
    path.write_text("\n".join(tables), encoding="utf-8", newline="")
    return path


def write_picture(picture: Picture, boxes: Sequence[Box] = ()) -> Path:
    """A PNG with its settings and boxes inside: dropped back in, it restores them."""
    seed = f"-{picture.made['seed']}" if "seed" in picture.made else ""
    path = fresh_folder() / f"{name_of(picture.caption)}{seed}.png"
    write_with_boxes(picture, boxes, path)
    return path


def write_with_boxes(picture: Picture, boxes: Sequence[Box], to: Path | io.BytesIO) -> None:
    marked = {"boxes": [list(box.as_tuple()) for box in boxes]} if boxes else {}
    write_png(picture.image, to, {**picture.made, **marked})


def name_of(caption: str) -> str:
    """A file name that says what it is: letters, digits and hyphens alone."""
    words = re.sub(r"[^a-z0-9]+", "-", caption.lower()).strip("-")[:60].strip("-")
    return f"whence-{words}" if words else "whence"
