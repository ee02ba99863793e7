"""Laws of the progress bars."""

from __future__ import annotations

from precompute.bars import rate_and_time_left


def test_the_rate_and_the_time_left_are_said() -> None:
    assert rate_and_time_left(0, 100, 3) == ""
    assert rate_and_time_left(50, 100, 10) == "5.0/s, 0:20 left"
    assert rate_and_time_left(50, 100_000, 10) == "5.0/s, 5h 33m left"
    assert rate_and_time_left(50, 0, 10) == "5.0/s, 10 s"
