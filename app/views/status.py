"""What is going on, in words, a bar and the time left."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from app.frontend.templates import render
from attribution.results import Progress


def idle(words: str) -> str:
    """Nothing runs."""
    return _status("idle", words)


def done(words: str) -> str:
    """What was asked for is there."""
    return _status("done", words)


def failed(words: str) -> str:
    """Something went wrong; a screen reader says so at once."""
    return _status("failed", words)


def running(
    words: str, count: str = "", share: float | None = None, left: str = "", kind: str = "attribute"
) -> str:
    """Something runs.

    Args:
        share: of the present stage that is done; None while that is unknown.
        kind: "generate" or "attribute"; the styles show by it which panel is busy.
    """
    percent = None if share is None else 100 * min(max(share, 0.0), 1.0)
    return _status("running", words, count, percent, left, kind)


def _status(
    state: str, words: str, count: str = "", percent: float | None = 0.0, left: str = "", kind: str = ""
) -> str:
    return render(
        "status.html", state=state, words=words, count=count, percent=percent, left=left, kind=kind
    )


def time_left(seconds: float, finished: int, total: int) -> str:
    """How long the rest will take at the pace so far; "" before that can be told."""
    if finished < 1 or seconds < 0.5 or finished >= total:
        return ""
    rest = seconds / finished * (total - finished)
    if rest < 1.5:
        return "a moment left"
    if rest < 90:
        return f"about {rest:.0f} s left"
    return f"about {rest / 60:.0f} min left"


class ProgressLine:
    """Turns a run's progress into status lines, a few a second at most."""

    def __init__(
        self, kind: str = "attribute", every: float = 0.2, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kind, self._every, self._clock = kind, every, clock
        self._stage: tuple[str, str] | None = None
        self._began = self._told = -math.inf
        self._before = 0  # units that were done when the clock began

    def line(self, progress: Progress, title: str) -> str | None:
        """The status to show, or None if the last was shown too short a while ago."""
        now, stage = self._clock(), (progress.method, progress.stage)
        if stage != self._stage:
            self._stage, self._began, self._before = stage, now, progress.done
        elif now - self._told < self._every:
            return None
        self._told = now
        words = f"{title}: {progress.stage}" if title else progress.stage
        if progress.total < 1:
            return running(words, kind=self._kind)
        return running(
            words,
            f"{progress.done:,} of {progress.total:,}",
            progress.done / progress.total,
            time_left(now - self._began, progress.done - self._before, progress.total - self._before),
            self._kind,
        )
