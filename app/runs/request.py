"""What a program sends, checked: anything may come, and what is wrong is said in one line."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from app.runs.boxes import box_of_sides
from app.runs.question import MAX_SEED, measures, usual_methods
from app.runs.run import MAX_PARTS
from attribution.errors import BoxError, ImageError, SettingsError
from attribution.methods.base import Method, method
from attribution.query import Box, Settings

MAX_SENT = 20 * 2**20  # bytes of a picture, as on the page
HASH = re.compile("[0-9a-f]{64}")


def chosen_methods(offers: Sequence[Method], names: object, settings: Settings) -> tuple[str, ...]:
    """The methods that were named, in our order; the usual ones if none were.

    Raises:
        InputError: one is not offered, or none is left.
    """
    known = {each.name: each for each in offers}
    if names is not None and not isinstance(names, list):
        raise SettingsError("methods is a list of names")
    for name in names or ():
        if method(text(name, "a method's name")).name not in known:
            raise SettingsError(f"{name} has not been precomputed here: choose from {', '.join(known)}")
    wanted = usual_methods(offers) if names is None else names
    left = [name for name in known if name in wanted]
    if settings.effort == "instant":
        left = [name for name in left if not measures(known[name])]
    if not left:
        raise SettingsError("no method is left: name one that effort instant can look up, or ask for more")
    return tuple(left)


def boxes_of_lists(given: object) -> tuple[Box, ...]:
    """A few boxes of four numbers each.

    Raises:
        BoxError: they are not.
    """
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(sides, list) for sides in given):
        raise BoxError("boxes is a list of boxes, each [left, top, right, bottom]")
    if len(given) > MAX_PARTS:
        raise BoxError(f"{len(given)} boxes are too many: ask about {MAX_PARTS} at most")
    found = (box_of_sides(sides) for sides in given)
    return tuple(box for box in found if box is not None)


def sent_bytes(picture: object) -> bytes:
    """A file that came with the request.

    Gradio hands on whatever path a program names. Only what was uploaded here is read: it lies in a folder
    whose name is the hash of its bytes, so that nobody can name a file that they do not have.

    Raises:
        ImageError: it is no such file, or too large.
    """
    named = picture.get("path") if isinstance(picture, dict) else None
    uploaded = Path(os.environ["GRADIO_TEMP_DIR"]).resolve()
    path = Path(named).resolve() if isinstance(named, str) and "\0" not in named else uploaded
    if path.parent.parent != uploaded or not HASH.fullmatch(path.parent.name) or not path.is_file():
        raise ImageError("send the picture as a file: gradio_client's handle_file does")
    if path.stat().st_size > MAX_SENT:
        raise ImageError(f"the picture is larger than {MAX_SENT // 2**20} MB: give a smaller one")
    return path.read_bytes()


def text(value: object, name: str) -> str:
    """A text; raises SettingsError for anything else."""
    if not isinstance(value, str):
        raise SettingsError(f"{name} is {value!r}: it must be text")
    return value


def whole(value: object, name: str) -> int:
    """A whole number that could be a seed; raises SettingsError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEED:
        raise SettingsError(f"{name} is {value!r}: it must be a whole number from 0 to {MAX_SEED:,}")
    return value


def number(value: object, name: str) -> float:
    """A number; raises SettingsError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SettingsError(f"{name} is {value!r}: it must be a number")
    return float(value)


def count(value: object, name: str) -> int | None:
    """A whole number of at least 1, or None; raises SettingsError for anything else."""
    if value is not None and whole(value, name) < 1:
        raise SettingsError(f"{name} is {value!r}: it must be at least 1")
    return None if value is None else whole(value, name)
