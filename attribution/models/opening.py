"""Opening a model: whatever its libraries make of damaged files is told in our words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from attribution.errors import ModelError, WhenceError
from attribution.plugins import one_at_a_time

Found = TypeVar("Found")


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
