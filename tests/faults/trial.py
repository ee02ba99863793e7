"""What came of one call that failed."""

from __future__ import annotations

import io
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from tests.faults.disk import Call, Disk


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


def outcome(main: Callable[[list[str]], int], command: list[str], disk: Disk) -> tuple[int, str]:
    """A command's exit status on a disk (-1 for an error without a name), and what was said of it."""
    errors = io.StringIO()
    with redirect_stderr(errors), redirect_stdout(io.StringIO()):
        try:
            with disk:
                status = main(command)
        except BaseException:  # which is what is looked for
            return -1, traceback.format_exc()
    return status, "\n".join(x for x in errors.getvalue().splitlines() if x.startswith("error: "))
