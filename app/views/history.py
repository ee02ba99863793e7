"""The list of a browser's earlier runs."""

from __future__ import annotations

import html
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from app.runs.archive import RunArchive
from app.runs.record import Summary
from app.views.pictures import data_uri
from attribution.errors import RunError
from attribution.methods.base import method
from attribution.query import Box

LISTED = 60  # runs; the browser keeps no longer list
THUMBNAIL = 96  # pixels
EMPTY = "Nothing yet. Every answer you get is kept here, for you alone, until you forget it."


def past_runs(runs: RunArchive, ids: Sequence[Any]) -> str:
    """The list of a browser's runs; one that cannot be shown says why."""
    if not ids:
        return f'<p class="past-empty">{EMPTY}</p>'
    return f'<ul class="past">{"".join(_past_run(runs, run_id) for run_id in ids[:LISTED])}</ul>'


def _past_run(runs: RunArchive, run_id: object) -> str:
    name = html.escape(run_id if isinstance(run_id, str) else "")
    try:
        run = runs.summary(run_id)
        picture = _thumbnail(runs, run.id)
    except RunError as problem:
        words = html.escape(str(problem))
        return f'<li class="past-run" data-id="{name}"><p class="past-gone">{words}</p>{_forget("")}</li>'
    caption = html.escape(run.caption)
    return (
        f'<li class="past-run" data-id="{name}"><button type="button" class="past-open">'
        f'<span class="past-picture"><img src="{picture}" alt="">{"".join(map(_mark, run.boxes))}</span>'
        f'<span class="past-words"><span class="past-caption">{caption}</span>'
        f"<small>{html.escape(_asked(run))}</small>"
        f'<small><time datetime="{time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(run.begun))}">'
        f"{when(run.begun)}</time></small></span></button>{_compare(caption)}{_forget(caption)}</li>"
    )


def _compare(caption: str) -> str:
    label = f"Compare with the answer on the page: {caption}"
    title = "Show it beside the answer on the page"
    return (
        f'<button type="button" class="past-compare" aria-label="{label}" title="{title}">Compare</button>'
    )


def _forget(caption: str) -> str:
    label = f"Forget: {caption}" if caption else "Forget this run"
    return f'<button type="button" class="past-forget" aria-label="{label}" title="Forget">×</button>'


def _mark(box: Box) -> str:
    x0, y0, x1, y1 = (100 * side for side in box.as_tuple())
    place = f"left:{x0:.1f}%;top:{y0:.1f}%;width:{x1 - x0:.1f}%;height:{y1 - y0:.1f}%"
    return f'<i style="{place}"></i>'


def _asked(run: Summary) -> str:
    parts = {0: "the whole picture", 1: "one part"}.get(len(run.boxes), f"{len(run.boxes)} parts")
    names = ", ".join(method(name).title for name in run.methods)
    return f"{parts} · {names} · {run.settings.effort}"


@lru_cache(maxsize=4 * LISTED)
def _thumbnail(runs: RunArchive, run_id: str) -> str:
    return data_uri(runs.picture(run_id), THUMBNAIL)


def when(seconds: float) -> str:
    return time.strftime("%-d %b %Y, %H:%M UTC", time.gmtime(seconds))
