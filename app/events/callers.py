"""Who asks, what comes with it, and whether they still listen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.context import LocalContext


def address_of(request: gr.Request | None) -> str | None:
    """The address that a request came from; a proxy on this machine is believed who it asks for."""
    client = None if request is None else request.client
    return None if client is None else str(client.host)


def sent_with(event: gr.EventData) -> dict[str, Any]:
    """What a component of ours sends with an event: by name. Of anything else that may come, nothing."""
    return event._data if isinstance(event._data, dict) else {}


def hung_up() -> Callable[[], bool]:
    """What says whether the program whose call is being answered has closed its connection.

    Gradio marks the event of a stream that was closed, which stops a generator of updates; a function that
    returns once is not told, so it looks for itself. Whoever is not called by Gradio has nobody to lose.
    """
    blocks, named = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
    jobs: list[list[Any] | None] = [] if blocks is None else blocks._queue.active_jobs
    event = next((event for job in jobs for event in job or () if event._id == named), None)
    return lambda: event is not None and not event.alive
