"""How handlers are bound to what happens on the page."""

from __future__ import annotations

from typing import Any

from app.runtime.queue import LONGEST

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
AT_ONCE: dict[str, Any] = {**QUIET, "queue": False}
ON_THE_MODEL: dict[str, Any] = {
    **QUIET,
    "concurrency_limit": LONGEST + 2,  # who waits is told so by the queue, who comes after as well
    "concurrency_id": "model",
    # A stopped run may still be at its last step when the next one is asked for: that must not be dropped.
    "trigger_mode": "multiple",
}
