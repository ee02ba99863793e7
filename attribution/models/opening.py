"""Opening what the libraries read: one thing at a time, and damage to it in our words."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch

from attribution.errors import ModelError, WhenceError

Given = ParamSpec("Given")
Found = TypeVar("Found")

# While they build a module the libraries patch torch for the whole process, so that no memory is filled
# twice: what another thread opens meanwhile would be left with weights that have no numbers.
_ONE = threading.RLock()


def one_at_a_time(opening: Callable[Given, Found]) -> Callable[Given, Found]:
    """Return a function that waits until no other thread opens anything."""

    @wraps(opening)
    def waited(*given: Given.args, **named: Given.kwargs) -> Found:
        with _ONE:
            return opening(*given, **named)

    return waited


@one_at_a_time
def opened(opening: Callable[[], Found], name: str | Path) -> Found:
    """Return what opens, whatever its libraries make of files that are damaged: they may raise anything.

    Raises:
        ModelError: it does not open; errors of our own stay as they are.
    """
    try:
        return opening()
    except (WhenceError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as problem:
        why = " ".join(f"{type(problem).__name__}: {problem}".split())[:200]
        raise ModelError(f"{name} is damaged, or no model that can be read: {why}") from problem
