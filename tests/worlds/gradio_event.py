"""What a component of ours sends with an event, made by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


def event(**data: Any) -> Any:
    """An event whose data a handler reads."""
    return SimpleNamespace(_data=data)
