"""The queue for the one model: first come, first served, and everyone knows where they stand."""

from __future__ import annotations

import statistics
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from types import TracebackType

from attribution.errors import WhenceError

LONGEST = 24  # people who may wait; beyond them the page says that it is busy
OF_ONE = 12  # places that one address may have: a class may sit behind it
REMEMBERED = 9  # runs of a kind whose durations are remembered
UNKNOWN = 10.0  # seconds, of a kind that has not been seen yet
GIVEN_UP = 120.0  # seconds without a sign of life, after which a place is free


class BusyError(WhenceError):
    """Too many people wait already."""


class ModelQueue:
    """Who is at the model and who waits for it."""

    def __init__(self, longest: int = LONGEST, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest, self._clock = longest, clock
        self._places: list[QueuePlace] = []  # the first is at the model
        self._changed = threading.Condition()
        self._seconds: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED))

    def join(self, kind: str, address: str | None = None) -> QueuePlace:
        """A place at the end; to be used in a `with` statement, which gives it up again.

        Args:
            kind: of work, such as "generate": how long it takes is learnt by kind.
            address: whoever asks; None is not counted.

        Raises:
            BusyError: the line is full, or this address has as many places as one may have.
        """
        with self._changed:
            self._drop_the_silent()
            if address is not None and sum(each.address == address for each in self._places) >= OF_ONE:
                raise BusyError(
                    f"{OF_ONE} questions from your address are being answered: wait for one of them"
                )
            if len(self._places) > self._longest:
                wait = waiting_words(len(self._places), self._expected(len(self._places)))
                raise BusyError(f"the model is busy and the line is full ({wait}): try again in a while")
            place = QueuePlace(self, kind, address)
            self._places.append(place)
            return place

    @property
    def is_empty(self) -> bool:
        """Whether nobody is at the model, nor waits for it."""
        with self._changed:
            self._drop_the_silent()
            return not self._places

    def wait(self, place: QueuePlace, seconds: float) -> bool:
        """Whether it is this place's turn, within `seconds`."""
        with self._changed:
            place.seen = self._clock()
            self._drop_the_silent()
            self._changed.wait_for(lambda: self._places and self._places[0] is place, seconds)
            turn = bool(self._places) and self._places[0] is place
            if turn and place.began is None:
                place.began = self._clock()
            return turn

    def leave(self, place: QueuePlace) -> None:
        with self._changed:
            if place.began is not None:
                self._seconds[place.kind].append(self._clock() - place.began)
            if place in self._places:
                self._places.remove(place)
            self._changed.notify_all()

    def ahead(self, place: QueuePlace) -> tuple[int, float]:
        """How many are before this place, the one at the model included, and for about how long (s)."""
        with self._changed:
            number = self._places.index(place) if place in self._places else 0
            return number, self._expected(number)

    def _expected(self, number: int) -> float:
        """Seconds that the first `number` places will still take."""
        total = 0.0
        for place in self._places[:number]:
            known = self._seconds.get(place.kind)
            usual = statistics.median(known) if known else UNKNOWN
            spent = 0.0 if place.began is None else self._clock() - place.began
            total += max(usual - spent, 1.0)
        return total

    def _drop_the_silent(self) -> None:
        """A page that was closed in mid-run may never say so."""
        now = self._clock()
        self._places = [place for place in self._places if now - place.seen < GIVEN_UP]
        self._changed.notify_all()


class QueuePlace:
    """One place in the queue."""

    def __init__(self, queue: ModelQueue, kind: str, address: str | None) -> None:
        self._queue, self.kind, self.address = queue, kind, address
        self.began: float | None = None
        self.seen = queue._clock()

    def turn(self, seconds: float = 0.25) -> bool:
        """Wait a little; whether the model is this place's now. Also a sign of life, while working."""
        return self._queue.wait(self, seconds)

    def words(self) -> str:
        """ "2 people before you, about 20 s"."""
        return waiting_words(*self._queue.ahead(self))

    def __enter__(self) -> QueuePlace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.leave(self)


def waiting_words(ahead: int, seconds: float) -> str:
    who = "1 person before you" if ahead == 1 else f"{ahead} people before you"
    if seconds < 90:
        return f"{who}, about {max(1, round(seconds))} s"
    return f"{who}, about {round(seconds / 60)} min"
