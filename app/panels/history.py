"""The button that copies the link to a run, and how the server speaks to the browser's list of runs.

The list lives in the browser alone (assets/page/history.js), as ids and keys; the server keeps runs
but never lists them. It tells the browser what to do by the value of one component, see `history_message`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import gradio as gr

from app.frontend.assets import script
from app.panels.updates import html_panel

COPY_LINK = '<button type="button" class="copy-link" disabled>Link</button>'
_turns = itertools.count(1)


def build_history() -> gr.HTML:
    """The button that copies the link; the list itself is a dialog of the browser's own."""
    return html_panel(None, "history", script("history.js"), html_template=COPY_LINK)


def history_message(does: str, kept: Mapping[str, str] | None = None, **facts: Any) -> dict[str, Any]:
    """A value that the browser acts on, even if it is the same as before.

    Args:
        kept: keys of runs by their ids, to be remembered whatever else it does.
        does: "list" (with `html`: show it; and `forgotten`: which runs were deleted, and which stay),
            "shown" (with `id`, `title` and `truth`: the address is its link, and the tab is called so),
            "truth" (with `truth`: whether its link shows the true answer), "arrived" (with `id`: it has a
            link, and the address stays the page's own), "away" (no run is on the page), "lost" (the run of
            the address cannot be shown) or "start" (the page is as it was opened). What answers to
            'restore' has what was asked for, as `restored`.
    """
    pairs = [{"id": run, "key": key} for run, key in (kept or {}).items()]
    return {"does": does, "turn": next(_turns), "kept": pairs, **facts}
