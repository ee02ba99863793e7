"""What came of one call that failed."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.disk import Call


@dataclass(frozen=True)
class Trial:
    """One call that failed, and what came of it.

    Attributes:
        said: the one line, or nothing where the fault did no harm.
        wrong: what must not be; empty if all is well.
    """

    call: Call
    said: str
    wrong: str = ""


def is_one_line(said: str) -> bool:
    """Whether something was said, on one line, without a traceback."""
    return bool(said) and "\n" not in said and "Traceback" not in said
