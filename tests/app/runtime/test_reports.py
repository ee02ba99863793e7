"""Laws of the server's log."""

from __future__ import annotations

import logging

import pytest

from app.runtime.reports import LINES, LONGEST, SPAN, OneLine, Reports, is_ours


class Clock:
    """Stands until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_refusals_are_a_few_lines_a_minute_and_the_others_are_counted(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Law: Refusals are a few lines a minute in the log; the others are counted."""
    reports = Reports(clock)
    written = [reports.refused(f"nonsense {number}") for number in range(LINES + 30)]
    assert (sum(written), len(caplog.records)) == (LINES, LINES)
    clock.now = SPAN
    assert reports.refused("one more")
    assert caplog.records[-1].getMessage() == "refused: one more (and 30 more that are not written)"


def test_a_refusal_is_one_short_line_whatever_it_says(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    Reports(clock).refused("a\nb\r\x1b[31m" + "x" * 10_000)
    (record,) = caplog.records
    assert len(record.getMessage()) < LONGEST + 20
    assert record.getMessage().isprintable()


def raised(problem: Exception) -> Exception:
    try:
        raise problem
    except Exception as found:
        return found


def test_a_mistake_of_ours_is_written_once_and_found_by_its_number(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    reports, problem = Reports(clock), raised(ValueError("ours"))
    number = reports.mistake(problem)
    assert reports.mistake(problem) == number == reports.caught(problem)
    (record,) = caplog.records
    assert number in record.getMessage()
    assert record.exc_info is not None


def test_what_is_raised_where_nothing_of_ours_was_called_is_not_ours() -> None:
    assert not is_ours(raised(ValueError("a test is neither the page nor the library")))
    with pytest.raises(TypeError) as caught:
        Reports().refused(None)  # type: ignore[arg-type]
    assert is_ours(caught.value)


def test_a_servers_own_tracebacks_become_lines(caplog: pytest.LogCaptureFixture) -> None:
    problem = raised(KeyError("nonsense"))
    found = (type(problem), problem, problem.__traceback__)
    record = logging.LogRecord(
        "uvicorn.error", logging.ERROR, "", 0, "Exception in ASGI application", (), found
    )
    assert not OneLine().filter(record)
    assert all(each.exc_info is None for each in caplog.records)
    assert OneLine().filter(logging.LogRecord("uvicorn.error", logging.INFO, "", 0, "started", (), None))
