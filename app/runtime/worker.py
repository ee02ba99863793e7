"""The one thread that computes with the model, whoever asks.

Gradio takes each step of a generator in whichever of its forty threads is free. Every thread that ever
computes keeps its own team of OpenMP threads and its own scratch memory: the page would grow with every
question, and forty teams would share two cores.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Event = TypeVar("Event")
Given = ParamSpec("Given")
Result = TypeVar("Result")


class Worker:
    """Runs what it is given, one call after another, in a thread of its own.

    Attributes:
        spare: held while it is given a step that nobody has asked for: there is one at a time.
    """

    def __init__(self) -> None:
        self.spare = threading.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")

    def do(self, work: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
        """The result of `work(*args, **kwargs)`; raises what it raises."""
        return self.begin(work, *args, **kwargs).result()

    def begin(
        self, work: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs
    ) -> Future[Result]:
        """The result of `work(*args, **kwargs)` that is to come."""
        return self._thread.submit(work, *args, **kwargs)

    def steps(self, events: Iterator[Event]) -> Iterator[Event]:
        """The events of an iterator, each of whose steps is taken in the thread; ends when it does.

        A consumer that goes away closes the iterator, in the thread too.
        """
        try:
            while True:
                found = self.do(next_event, events)
                if not found:
                    return
                yield found[0]
        finally:
            if isinstance(events, Generator):
                self.do(events.close)


def next_event(events: Iterator[Event]) -> tuple[Event, ...]:
    """The next event; nothing at the end."""
    for event in events:
        return (event,)
    return ()
