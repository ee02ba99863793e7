"""What a process sets before torch is imported."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


def prepare(name: str, *, offline: bool = False) -> None:
    """Call this first in a `__main__.py`, with its `__name__`, before torch is imported.

    Args:
        name: where it is `"__main__"`, Ctrl-C ends the process at once, until `cli.status.exit_with`: the
            imports take seconds, and there is nothing to clean up before they are done.
        offline: never ask a hub, for programs that read nothing but folders.
    """
    if name == "__main__":
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    set_environment(offline=offline)


@contextmanager
def ended_at_once_by_interrupt() -> Iterator[None]:
    """The same for imports inside a function: Ctrl-C ends the process, and has its old effect after."""
    before = signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def set_environment(*, offline: bool) -> None:
    """Set what is read at import, unless the person has set it to something else.

    Threads that spin while they wait would starve the rest of the machine, and advice that libraries give
    as they are imported would come between our lines.
    """
    for name, value in (
        ("GOMP_SPINCOUNT", "0"),
        ("OMP_WAIT_POLICY", "PASSIVE"),
        ("DIFFUSERS_VERBOSITY", "error"),
        ("TRANSFORMERS_VERBOSITY", "error"),
    ):
        os.environ.setdefault(name, value)
    if offline:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
