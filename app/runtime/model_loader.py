"""Opens the model while the person is still reading the page, so that the first query is quick."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

from attribution.errors import WhenceError
from attribution.models.throughput import draws_per_second
from attribution.workspace.workspace import Workspace

log = logging.getLogger("whence")


class ModelLoader:
    """The workspace's model on its way in."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._ready = threading.Event()
        self._problem: Exception | None = None
        self.draws_per_second: float | None = None  # forward passes, measured once when the model is there
        self._thread = threading.Thread(target=self._open, name="model loader", daemon=True)
        self._starting = threading.Lock()

    def start(self) -> None:
        """Begin to open it, if nobody has."""
        with self._starting:
            if self._thread.ident is None:
                self._thread.start()

    def _open(self) -> None:
        try:
            self.draws_per_second = draws_per_second(self._workspace.model, self._workspace.batch_size)
        except Exception as problem:  # told to whoever asks for the model first
            self._problem = problem
            log.error("the model cannot be opened: %s", problem)
        finally:
            self._ready.set()

    @property
    def problem(self) -> str | None:
        """Why the model cannot be asked now, in a line; None if it can."""
        if not self._ready.is_set():
            return "the model is being opened"
        return None if self._problem is None else "the model cannot be opened: see the server's log"

    def waiting(self, every: float = 0.2) -> Iterator[None]:
        """Yields while the model is not there yet.

        Raises:
            WhenceError: it cannot be opened.
        """
        self.start()
        while not self._ready.wait(every):
            yield
        if isinstance(self._problem, WhenceError):
            raise self._problem
        if self._problem is not None:
            raise WhenceError("the model could not be opened: see the server's log") from self._problem

    def wait(self) -> None:
        for _ in self.waiting():
            pass
