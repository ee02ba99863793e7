"""The answer as files to take away."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

from app.sessions import Picture
from attribution.images import write_png
from attribution.results import Attribution


def _folder() -> Path:
    """A fresh private folder: two people's files never meet, and names stay readable."""
    return Path(tempfile.mkdtemp(prefix="whence-"))


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
