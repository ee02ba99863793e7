"""Laws of the status line."""

from __future__ import annotations

import pytest

from app.views import status
from attribution.results import Progress


@pytest.mark.parametrize(
    ("seconds", "done", "total", "words"),
    [
        (10, 0, 100, ""),
        (0.1, 5, 100, ""),
        (10, 100, 100, ""),
        (10, 50, 100, "about 10 s left"),
        (10, 95, 100, "a moment left"),
        (60, 10, 100, "about 9 min left"),
    ],
)
def test_time_left_follows_the_pace_so_far(seconds: float, done: int, total: int, words: str) -> None:
    assert status.time_left(seconds, done, total) == words


def test_progress_is_told_a_few_times_a_second_and_at_each_new_stage() -> None:
    now = 0.0
    pace = status.ProgressLine(every=0.2, clock=lambda: now)
    told = []
    for step in range(101):
        now = step / 100
        stage = "unlearning" if step < 50 else "measuring"
        told.append(pace.line(Progress("abu", stage, step, 100), "AbU") is not None)
    assert 5 <= sum(told) <= 8
    assert told[0]
    assert told[50]


def test_progress_is_a_bar_a_count_and_words() -> None:
    line = status.running("AbU: measuring", "25 of 100", 0.25, "about 3 s left")
    for part in ("width:25.0%", "AbU: measuring", "25 of 100", "about 3 s left"):
        assert part in line


def test_a_status_is_escaped_and_a_failure_is_announced() -> None:
    assert "<b>" not in status.failed("<b>")
    assert 'role="alert"' in status.failed("no")
    assert 'role="status"' in status.done("yes")
