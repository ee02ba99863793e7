"""The panel of runs of before, and the button that copies the link to one.

The list lives in the browser alone (assets/page/history.js), as ids and keys; the server keeps runs
but never lists them. It tells the browser what to do by the value of one component, see `told`.
"""

from __future__ import annotations

import html
import itertools
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import gradio as gr

from app.frontend.assets import script
from app.runs.archive import Runs
from app.runs.record import Summary
from app.views.pictures import data_uri
from attribution.errors import RunError
from attribution.methods.base import method
from attribution.query import Box

LISTED = 60  # runs; the browser keeps no longer list
THUMBNAIL = 96  # pixels
EMPTY = "Nothing yet. Every answer you get is kept here, for you alone, until you forget it."
_turns = itertools.count(1)


def build_history() -> gr.HTML:
    """The button that copies the link; the list itself is a dialog of the browser's own."""
    return gr.HTML(
        None,
        html_template='<button type="button" class="copy-link" disabled>Link</button>',
        js_on_load=script("history.js"),
        apply_default_css=False,
        elem_id="history",
    )


def told(does: str, **facts: Any) -> dict[str, Any]:
    """A value that the browser acts on, even if it is the same as before.

    Args:
        does: "list" (with `html`: show it), "kept" (with `id` and `key`: remember it), "shown" (with `id`:
            the address is its link) or "away" (the address is no run's).
    """
    return {"does": does, "turn": next(_turns), **facts}


def past_runs(runs: Runs, ids: Sequence[Any]) -> str:
    """The list of a browser's runs; one that cannot be shown says why."""
    if not ids:
        return f'<p class="past-empty">{EMPTY}</p>'
    return f'<ul class="past">{"".join(_past_run(runs, run_id) for run_id in ids[:LISTED])}</ul>'


def _past_run(runs: Runs, run_id: object) -> str:
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
def _thumbnail(runs: Runs, run_id: str) -> str:
    return data_uri(runs.picture(run_id), THUMBNAIL)


def when(seconds: float) -> str:
    return time.strftime("%-d %b %Y, %H:%M UTC", time.gmtime(seconds))
