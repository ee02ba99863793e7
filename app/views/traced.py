"""What was traced unasked: the parts of the picture, and the training images that each goes back to."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

from app.frontend.templates import render
from app.runs.trace import TracedPart

_turns = itertools.count(1)  # of one picture after another: a value that is the same as before is not seen
PALEST = 0.25  # of the tint of a part in which something stands out; the clearest part has all of it


def traced_view(parts: Sequence[TracedPart]) -> str:
    """The parts as far as they are traced; a line where the picture has none."""
    if not parts:
        return _line("None of the caption's words has a place of its own in this picture.")
    clearest = max(each.clarity for each in parts)
    return render(
        "traced.html",
        parts=[
            {
                "word": each.part.word,
                "box": json.dumps(each.part.box.as_tuple()),
                "ranks": json.dumps(dict(each.ranks)),
                "rows": json.dumps([image.row for image in each.first]),
                "tint": f"{tint(each, clearest):.2f}",
                "out": each.standing_out,
                "method": each.method,
                "images": each.first,
            }
            for each in parts
        ],
    )


def tint(traced: TracedPart, clearest: float) -> float:
    """How strongly a part is tinted, at most 1: not at all where nothing is known to stand out."""
    if not traced.standing_out or clearest <= 0:
        return 0.0
    return PALEST + (1 - PALEST) * traced.clarity / clearest


def traced_soon(captioned: bool) -> str:
    """What has the browser ask for a new picture's trace; an upload is traced once it has its caption."""
    words = "Looking for the parts that the caption names …" if captioned else ""
    return render("traced_line.html", words=words, trace=next(_turns))


def traced_problem(words: str) -> str:
    """Why nothing was traced."""
    return _line(f"The parts were not traced. {words}")


def _line(words: str) -> str:
    return render("traced_line.html", words=words, trace=None)
