"""What the server's log says: a line of what others got wrong, a traceback of our own mistakes alone.

Anyone may send nonsense, hundreds of times a second. So what is refused is one line and no more than a few
a minute. A mistake of ours has its traceback, once, under a number that the person at the page sees too.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

LINES, SPAN = 10, 60.0  # refusals that are written in so many seconds
LONGEST = 300  # characters of one
OURS = tuple(str(Path(__file__).parents[2] / part) for part in ("app", "attribution"))
SERVED_BY = tuple(f"/{name}/" for name in ("gradio", "starlette", "fastapi", "uvicorn"))
WENT_WRONG = "Something went wrong on the server"
NUMBER = "_whence_report"  # of an exception that has been written; empty if the fault was not ours

log = logging.getLogger("whence")


class Reports:
    """Writes to the log, on behalf of whoever is asked something.

    Args:
        clock: seconds, of any origin.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._written: deque[float] = deque(maxlen=LINES)
        self._unwritten = 0

    def refused(self, words: str) -> bool:
        """Say in one line what somebody got wrong; whether it was written, or only counted."""
        with self._lock:
            now = self._clock()
            if len(self._written) == LINES and now - self._written[0] < SPAN:
                self._unwritten += 1
                return False
            self._written.append(now)
            more, self._unwritten = self._unwritten, 0
        plain = "".join(sign if sign.isprintable() else " " for sign in words)[:LONGEST]
        log.warning("refused: %s%s", plain, f" (and {more:,} more that are not written)" if more else "")
        return True

    def caught(self, problem: BaseException) -> str | None:
        """Write of what went wrong while a request was served; the report's number if the fault is ours."""
        known = getattr(problem, NUMBER, None)
        if known is None and is_ours(problem):
            return self.mistake(problem)
        if known is None:
            setattr(problem, NUMBER, "")
            self.refused(f"{type(problem).__name__}: {problem}")
        return known or None

    def mistake(self, problem: BaseException) -> str:
        """Write a mistake of ours with its traceback, once; its number, by which it can be found there."""
        if known := getattr(problem, NUMBER, None):
            return str(known)
        number = secrets.token_hex(3)
        setattr(problem, NUMBER, number)
        log.error("report %s: %s", number, type(problem).__name__, exc_info=problem)
        return number


REPORTS = Reports()  # one log, one limit


def is_ours(problem: BaseException) -> bool:
    """Whether an exception came out of our own code rather than what serves it: the innermost decides."""
    ours, step = False, problem.__traceback__
    while isinstance(step, TracebackType):
        file = step.tb_frame.f_code.co_filename
        if any(part in file for part in SERVED_BY):
            ours = False
        elif file.startswith(OURS):
            ours = True
        step = step.tb_next
    return ours


def went_wrong(number: str) -> str:
    """What a person is told of a mistake of ours."""
    return f"{WENT_WRONG}; its log says what, in report {number}."


class OneLine(logging.Filter):
    """Has a server's own loggers write an exception as `Reports` would: their tracebacks are long."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written as it is; it has been written in our own way otherwise."""
        if record.exc_info and record.exc_info[1] is not None:
            REPORTS.caught(record.exc_info[1])
            return False
        if record.levelno == logging.WARNING:  # of what was sent
            REPORTS.refused(record.getMessage())
            return False
        return True


def quiet_loggers() -> None:
    """Have what serves the page report through `Reports`."""
    for name in ("uvicorn.error", "asyncio"):
        logger = logging.getLogger(name)
        if not any(isinstance(each, OneLine) for each in logger.filters):
            logger.addFilter(OneLine())
