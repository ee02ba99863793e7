"""How a command line ends: exit status 0 done, 2 bad input (one line says what), 130 interrupted."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import NoReturn

DONE, REFUSED, INTERRUPTED = 0, 2, 130
OUT_OF_MEMORY = "out of memory: run it again with a smaller --batch-size"


def exit_status(
    action: Callable[[], int | None], *, stopped: str = "stopped", out_of_memory: str = "out of memory"
) -> int:
    """Run an action to its end, and translate what a person can mend into one line on standard error.

    That is whatever says by an `exit_status` of its own that it has a message for a person.

    Args:
        action: returns an exit status, or nothing where it is done.
        stopped: what is said when it was interrupted.
        out_of_memory: what is said when memory is used up, with the option that would mend it.
    """
    try:
        return action() or DONE
    except KeyboardInterrupt:
        return _interrupted(stopped)
    except OSError as problem:
        place = f": {problem.filename}" if problem.filename else ""
        return refuse(f"{problem.strerror or problem}{place}")
    except Exception as problem:
        status = getattr(problem, "exit_status", None)
        if status == INTERRUPTED:
            return _interrupted(stopped)
        if status is not None:
            return refuse(str(problem))
        if is_out_of_memory(problem):
            return refuse(out_of_memory)
        raise


def _interrupted(words: str) -> int:
    print(words, file=sys.stderr)
    return INTERRUPTED


def refuse(words: str) -> int:
    """Say in one line what is wrong; the exit status that goes with it."""
    print(f"error: {' '.join(words.splitlines())}", file=sys.stderr)
    return REFUSED


def exit_with(main: Callable[[], int]) -> NoReturn:
    """Run `main` as this process: from here on, Ctrl-C is an exception that cleans up on its way."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())


def is_out_of_memory(problem: Exception) -> bool:
    """Whether memory is used up, the machine's or a GPU's."""
    torch = sys.modules.get("torch")  # where it was never imported, it is not what failed
    return isinstance(problem, MemoryError) or (
        torch is not None and isinstance(problem, torch.OutOfMemoryError)
    )
