"""Where Gradio does what a page open to the world must not, and has no setting against it.

It writes a traceback of several kilobytes for each request that it cannot read, and fetches whatever
address a program names as a file. Both are single functions of its modules, replaced here: it is not
pretty, it is all in this file, and tests of the whole server hold it to it.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any, NoReturn

import gradio as gr
from gradio import processing_utils, queueing, routes, utils

from app.runtime.reports import REPORTS, quiet_loggers, went_wrong

NOT_FETCHED = "send the picture as a file: nothing is fetched from an address"
_error_payload = utils.error_payload


def close_gradio() -> None:
    """Have Gradio report through `app.runtime.reports`, and fetch nothing."""
    quiet_loggers()
    for module in (queueing, routes):
        module.traceback = SimpleNamespace(print_exc=_reported)  # all that they use of it
    queueing.error_payload = utils.error_payload = _told
    processing_utils.async_ssrf_protected_download = _refused_later
    processing_utils.ssrf_protected_download = processing_utils.save_url_to_cache = _refused


def _reported() -> None:
    problem = sys.exception()
    if problem is not None:
        REPORTS.caught(problem)


def _told(error: BaseException | None, show_error: bool) -> dict[str, Any]:
    """What the browser or the program is told of an error: ours have a number."""
    if error is not None and not isinstance(error, gr.Error):
        number = REPORTS.caught(error)
        if number is not None:
            error = gr.Error(went_wrong(number), print_exception=False)
    told: dict[str, Any] = _error_payload(error, show_error)
    return told


def _refused(*_: object, **__: object) -> NoReturn:
    raise gr.Error(NOT_FETCHED, print_exception=False)


async def _refused_later(*_: object, **__: object) -> NoReturn:
    _refused()
