"""The answer as files to take away."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from app.sessions import Picture
from attribution.images import write_png
from attribution.results import Attribution

PREFIX = "whence-export-"
AN_HOUR = 3600.0


def _folder() -> Path:
    """A fresh private folder: two people's files never meet, and names stay readable.

    Gradio copies what it gives out, so folders of an hour ago are of no use to anyone.
    """
    for old in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(FileNotFoundError):  # another request may be clearing up as well
            if time.time() - old.stat().st_mtime > AN_HOUR:
                shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=PREFIX))


def write_json(attribution: Attribution) -> Path:
    path = _folder() / f"{name_of(str(attribution.query.get('caption', '')))}.json"
    path.write_text(
        json.dumps(attribution.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    return path


def write_csv(attribution: Attribution) -> Path:
    path = _folder() / f"{name_of(str(attribution.query.get('caption', '')))}.csv"
    path.write_text(attribution.to_csv(), encoding="utf-8", newline="")
    return path


def write_picture(picture: Picture) -> Path:
    """A PNG with its settings inside: dropped back in, it restores them."""
    seed = f"-{picture.made['seed']}" if "seed" in picture.made else ""
    path = _folder() / f"{name_of(picture.caption)}{seed}.png"
    write_png(picture.image, path, picture.made)
    return path


def name_of(caption: str) -> str:
    """A file name that says what it is: letters, digits and hyphens alone."""
    words = re.sub(r"[^a-z0-9]+", "-", caption.lower()).strip("-")[:60].strip("-")
    return f"whence-{words}" if words else "whence"
