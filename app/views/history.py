"""The list of a browser's earlier runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from app.frontend.templates import render
from app.runs.archive import RunArchive
from app.runs.record import Summary
from app.views.pictures import data_uri
from attribution.errors import RunError
from attribution.methods.base import method

LISTED = 60  # runs; the browser keeps no longer list
THUMBNAIL = 96  # pixels


def past_runs(archive: RunArchive, ids: Sequence[Any], problem: str = "") -> str:
    """The list of a browser's runs; one that cannot be shown says why. `problem`: some were not deleted."""
    runs = [_past_run(archive, run_id) for run_id in ids[:LISTED]]
    return render("history.html", runs=runs, problem=problem)


def when(seconds: float) -> str:
    """The date and time of seconds since 1970."""
    return time.strftime("%-d %b %Y, %H:%M UTC", time.gmtime(seconds))


def _past_run(archive: RunArchive, run_id: object) -> dict[str, Any]:
    name = run_id if isinstance(run_id, str) else ""
    try:
        run = archive.summary(run_id)
        picture = _thumbnail(archive, run.id)
    except RunError as problem:
        return {"id": name, "gone": str(problem)}
    return {
        "id": name,
        "gone": "",
        "picture": picture,
        "boxes": [box.as_tuple() for box in run.boxes],
        "caption": run.caption,
        "question": _question(run),
        "datetime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(run.begun)),
        "date": when(run.begun),
    }


def _question(run: Summary) -> str:
    parts = {0: "the whole picture", 1: "one part"}.get(len(run.boxes), f"{len(run.boxes)} parts")
    names = ", ".join(method(name).title for name in run.methods)
    return f"{parts} · {names} · {run.settings.effort}"


@lru_cache(maxsize=4 * LISTED)
def _thumbnail(archive: RunArchive, run_id: str) -> str:
    return data_uri(archive.picture(run_id), THUMBNAIL)
