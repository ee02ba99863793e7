"""What a workspace remembers of the last queries: named caches that threads may share."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from cachetools import LRUCache

T = TypeVar("T")
REMEMBERED = 16  # values of each cache; a gradient is as large as the weights it is of


class Cache(Generic[T]):
    """The values that were used last, by key."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._values: LRUCache[str, T] = LRUCache(size)
        self._lock = threading.Lock()

    def get(self, key: str) -> T | None:
        """Return a value, or None if it is not remembered."""
        with self._lock:
            return self._values.get(key)

    def put(self, key: str, value: T) -> None:
        """Remember a value; the one that was not used for longest may go."""
        with self._lock:
            self._values[key] = value

    def __len__(self) -> int:
        return len(self._values)
