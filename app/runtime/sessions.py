"""What each open page has in hand. Two people never see each other's.

A page is known by the hash that Gradio gives it; nothing here is ever looked up by anything that a
person typed. Pages that were closed are forgotten, and beyond a limit those that were used longest ago.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cachetools import LRUCache, TTLCache
from PIL import Image

from app.runs.collection import Leaning
from app.runs.run import Picture, Run
from app.runs.selection import Selection
from attribution.models.base import Generation
from attribution.query import Box

MAX_SESSIONS = 200
MAX_UPLOADS, UPLOADED_BYTES = 50, 600 * 2**20  # pictures that wait, and bytes of their pixels
UPLOADED_FOR = 900.0  # seconds


@dataclass
class Session:
    """One open page.

    Attributes:
        picture: what it shows.
        caption: that is written beside an upload, as far as it is known; None for what has its own.
        boxes: the parts of it that are marked; `active` is the one that typing and keys change.
        drawn: when the box was drawn that came last, on the page's own clock.
        generation: a picture that was asked for and waits for the model; boxes_to_come: its boxes.
        ask_next: it comes from an example, whose question is asked as soon as it is there.
        ask_now: it is there, and its question is to be asked.
        waiting: an attribution that was asked for and waits for the model.
        run: the attribution that is shown, with what of it is there so far.
        selection: what of it is shown.
        left_out: the methods that were chosen with it and could not be asked at its effort.
        kept: the keys of runs of this page that are kept, by id: the browser is told of them with
            everything that it is told of its list, for of two messages at once it sees the last.
        check: the stop flag of a counterfactual check that was asked for and waits for the model.
        opened: row of the training image that was opened last, and when, on the page's own clock.
        working: the stop flag of the picture or the answer that is on its way: it alone writes how that
            ended. None while there is none, and once something else was begun.
        at_rest: no answer is being computed.
        arriving: the word for the picture that was sent last.
        brought: the picture that the library is looked through by.
        leaning: the collection that is looked at, summed up.
        unlearning: the stop flag of the test of a collection that is shown, if one runs.
        address: from which it was asked last.
        typed: the sides that were taken over from the fields last, until something else places a box.
        sides: what the four fields were given last, and what before: they may hold it still.
        box_refused: the status line complains of a box.
        stale: it says that the answer shown is of another question.
        traced: the caption under which the picture is traced unasked, or was; None before.
        stop: set when the person presses Stop.
    """

    picture: Picture | None = None
    caption: str | None = None
    boxes: tuple[Box, ...] = ()
    active: int = 0
    drawn: float = 0.0
    generation: Generation | None = None
    boxes_to_come: tuple[Box, ...] = ()
    ask_next: bool = False
    ask_now: bool = False
    waiting: Run | None = None
    run: Run | None = None
    selection: Selection = field(default_factory=Selection)
    left_out: tuple[str, ...] = ()
    kept: dict[str, str] = field(default_factory=dict)
    check: threading.Event | None = None
    opened: tuple[int, float] | None = None
    working: threading.Event | None = None
    at_rest: bool = True
    arriving: str | None = None
    brought: Image.Image | None = None
    leaning: Leaning | None = None
    unlearning: threading.Event | None = None
    address: str | None = None
    typed: tuple[Any, ...] | None = None
    sides: tuple[tuple[Any, ...], ...] = ()
    box_refused: bool = False
    stale: bool = False
    traced: str | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> threading.Event:
        """Stop whatever ran before or waits, which has no more to say; the new run's own stop flag."""
        self.generation = self.waiting = self.working = None
        self.ask_now, self.at_rest = False, True
        return self.begin_beside()

    def begin_beside(self) -> threading.Event:
        """Stop whatever ran before, which says so itself; the stop flag of what has a panel of its own."""
        self.stop.set()
        self.stop = threading.Event()
        return self.stop

    def finish(self, stop: threading.Event) -> None:
        """What this flag stops has ended; of what was begun since, nothing changes."""
        if self.working is stop:
            self.working, self.at_rest = None, True

    def shows(self, run: Run) -> bool:
        """Whether this run is the one on the page."""
        return self.run is not None and self.run.id == run.id

    @property
    def is_fresh(self) -> bool:
        """Whether nothing has been made, brought, asked or opened on this page yet."""
        return self.picture is None and self.run is None and not self.is_busy

    @property
    def is_busy(self) -> bool:
        """Whether a picture or an answer is on its way, or waits to be."""
        return any(each is not None for each in (self.generation, self.waiting, self.working))

    @property
    def shown_run(self) -> Run | None:
        """The run whose answers are on the page or on their way; None if nothing is to be seen of it."""
        if self.run is None or (self.is_quiet and not any(part.rankings for part in self.run.parts)):
            return None
        return self.run

    @property
    def is_quiet(self) -> bool:
        """Whether no answer is on its way."""
        return self.at_rest and self.waiting is None

    def show(self, picture: Picture, boxes: tuple[Box, ...] = ()) -> None:
        """A new picture; the old one's answer is no longer on the page."""
        self.picture, self.boxes, self.active, self.typed = picture, boxes, 0, None
        self.run = self.waiting = self.caption = self.traced = None
        self.stale = False
        self.selection = Selection()

    def end(self) -> None:
        """Nobody looks at it any longer: what runs for it ends, what was asked for and what was not."""
        self.stop.set()
        self.picture = None

    def leave(self) -> None:
        """As the page was opened: no picture, no answer, and what ran for it ends."""
        self.begin()
        self.picture = self.run = self.caption = self.traced = None
        self.boxes, self.active, self.typed = (), 0, None
        self.stale = False
        self.selection = Selection()


class _Open(LRUCache[str, Session]):
    """The pages that were used last; one that falls out is stopped."""

    def popitem(self) -> tuple[str, Session]:
        key, session = super().popitem()
        session.end()
        return key, session


class Sessions:
    """The open pages, by Gradio's session hash."""

    def __init__(self) -> None:
        self._open = _Open(MAX_SESSIONS)
        self._lock = threading.Lock()

    def of(self, key: str | None) -> Session:
        """The page's session, new if need be."""
        with self._lock:
            return self._open.setdefault(key or "", Session())

    def close(self, key: str | None) -> None:
        """The page was closed: stop its work, forget it."""
        with self._lock:
            session = self._open.pop(key or "", None)
        if session is not None:
            session.end()


@dataclass(frozen=True)
class Upload:
    """A picture that has come in and has been read: pixels and, if it was ours, its settings."""

    image: Image.Image
    settings: Mapping[str, Any]


class Uploads:
    """Pictures on their way from the upload route to the page that sent them, by an unguessable word.

    They are some, of some bytes, for some minutes: of more the oldest go.

    Args:
        clock: seconds, of any origin.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._waiting = TTLCache[str, Upload](UPLOADED_BYTES, UPLOADED_FOR, clock, _bytes_counted)
        self._lock = threading.Lock()

    def put(self, upload: Upload) -> str:
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._waiting[token] = upload
        return token

    def take(self, token: object) -> Upload | None:
        """The upload, once; None for a word that was never given out."""
        with self._lock:
            return self._waiting.pop(token, None) if isinstance(token, str) else None


def _bytes_counted(upload: Upload) -> int:
    """Of its pixels; a small one takes its share of the number that may wait."""
    return max(3 * upload.image.width * upload.image.height, UPLOADED_BYTES // MAX_UPLOADS)
