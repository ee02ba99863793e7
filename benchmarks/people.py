"""People who ask a running page, each from an address of its own: by program, and as a browser does."""

from __future__ import annotations

import io
import json
import random
import re
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from PIL import Image

PATIENCE = 600.0  # seconds for the next word of an answer
AGAIN = (1.0, 4.0)  # seconds after which somebody who was told that the line is full comes again
BUSY = ("try again", "wait for one of them")  # said politely, where the line is full
RUN_ID = re.compile(r'"id": ?"([A-Za-z0-9_-]{16})"')
OF_A_RUN = ("run", "seconds")  # of an answer, what differs from one to the next


@dataclass(frozen=True)
class Question:
    """A picture and its caption."""

    picture: bytes
    caption: str


@dataclass
class Record:
    """What became of one person.

    Attributes:
        waits: seconds from a question to its answer, coming again included.
        refused: how often the line was full.
        wrong: answers that are not those of the question asked alone, and errors.
        walked_off: how often a page was closed in mid-answer.
    """

    kind: str
    waits: list[float] = field(default_factory=list)
    refused: int = 0
    wrong: list[str] = field(default_factory=list)
    walked_off: int = 0


class BusyError(Exception):
    """The line is full, which is said politely."""


def question(image: Image.Image, caption: str) -> Question:
    """A question about a picture, as a file."""
    out = io.BytesIO()
    image.save(out, format="PNG")
    return Question(out.getvalue(), caption)


def settled(answer: Any) -> Any:
    """An answer without what differs from one run to the next."""
    if isinstance(answer, dict):
        return {key: settled(value) for key, value in answer.items() if key not in OF_A_RUN}
    return [settled(each) for each in answer] if isinstance(answer, list) else answer


def client_of(address: str, number: int) -> httpx.Client:
    """Somebody's own connection, from an address of this machine that nobody else has."""
    own = f"127.0.{1 + number // 250}.{1 + number % 250}"
    return httpx.Client(
        base_url=address, timeout=PATIENCE, transport=httpx.HTTPTransport(local_address=own)
    )


def asked_by_program(client: httpx.Client, asked: Question, methods: list[str]) -> Any:
    """The answer of the named endpoint.

    Raises:
        BusyError: the line is full.
    """
    files = {"files": ("x.png", asked.picture, "image/png")}
    path = _json(client.post("/gradio_api/upload", files=files))[0]
    picture = {"path": path, "meta": {"_type": "gradio.FileData"}}
    data = [picture, asked.caption, None, methods, "instant", 0, None]
    return _called(client, "attribute", data)


def _called(client: httpx.Client, name: str, data: list[Any]) -> Any:
    event = _json(client.post(f"/gradio_api/call/{name}", json={"data": data}))["event_id"]
    told = client.get(f"/gradio_api/call/{name}/{event}").text
    last = told.rpartition("\nevent: ")[2] if "\nevent: " in told else told.removeprefix("event: ")
    kind, _, said = last.partition("\ndata: ")
    _look_for_busy(said)
    if kind.strip() != "complete":
        raise RuntimeError(f"{name}: {last[:300]}")
    return json.loads(said.split("\n")[0])[0]


class Page:
    """What a browser sends for a person who drops a picture and asks about it."""

    def __init__(self, client: httpx.Client) -> None:
        client.get("/").raise_for_status()
        config = _json(client.get("/config"))
        named = {each["id"]: each["props"].get("elem_id") for each in config["components"]}
        events = {
            (named.get(target), event): each["id"]
            for each in config["dependencies"]
            for target, event in each["targets"]
        }
        after = {each["trigger_after"]: each["id"] for each in config["dependencies"]}
        self._client, self._session = client, secrets.token_hex(6)
        self._receive, self._begin = events["drop", "upload"], events["attribute", "click"]
        self._run = after[self._begin]

    def ask(self, asked: Question, methods: list[str], leave: bool = False) -> Any:
        """The answer, read again by its link; None where the page is closed in mid-answer.

        Raises:
            BusyError: the line is full.
        """
        sent = self._client.post("/uploads", content=asked.picture, headers={"X-Whence": "upload"})
        if sent.status_code == 503:
            raise BusyError
        self._event(self._receive, [""], {"token": _json(sent)["token"]})
        self._event(self._begin, [methods, "instant", asked.caption, None, None, None, None], None)
        joined = {"fn_index": self._run, "session_hash": self._session, "data": []}
        _json(self._client.post("/gradio_api/queue/join", json=joined))
        told = ""
        for line in self._stream():
            told += line
            if leave and "process_generating" in line:
                return None
        _look_for_busy(told)
        if (found := RUN_ID.findall(told.replace('\\"', '"'))) == []:
            raise RuntimeError(f"the page has no link: {told[-300:]}")
        return _called(self._client, "run", [found[-1], None])

    def _event(self, function: int, data: list[Any], event: Any) -> None:
        body = {"fn_index": function, "session_hash": self._session, "data": data, "event_data": event}
        _json(self._client.post("/gradio_api/run/predict", json=body))

    def _stream(self) -> Iterator[str]:
        where = "/gradio_api/queue/data"
        with self._client.stream("GET", where, params={"session_hash": self._session}) as stream:
            for line in stream.iter_lines():
                yield line
                if "process_completed" in line or "unexpected_error" in line:
                    return


def live(
    record: Record, client: httpx.Client, asked: list[tuple[Question, Any]], methods: list[str],
    until: float, walks_off: bool, seed: int,
) -> None:  # fmt: skip
    """Ask until a time (of `time.monotonic`), one question after another; at least one."""
    draw = random.Random(seed)
    with client:
        while time.monotonic() < until:
            question, expected = draw.choice(asked)
            leave = walks_off and draw.random() < 0.3
            _ask_until_answered(record, client, question, expected, methods, leave, draw)


def _ask_until_answered(
    record: Record, client: httpx.Client, question: Question, expected: Any, methods: list[str],
    leave: bool, draw: random.Random,
) -> None:  # fmt: skip
    """Who is told that the line is full comes again."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE:
        try:
            if record.kind == "program":
                answer = asked_by_program(client, question, methods)
            else:
                answer = Page(client).ask(question, methods, leave)
        except BusyError:
            record.refused += 1
            time.sleep(draw.uniform(*AGAIN))
            continue
        except (RuntimeError, httpx.HTTPError, ValueError) as problem:
            record.wrong.append(f"{type(problem).__name__}: {problem}"[:300])
            return
        if answer is None:
            record.walked_off += 1
            return
        record.waits.append(time.monotonic() - began)
        if settled(answer) != expected:
            record.wrong.append(f"another answer about {question.caption!r}")
        return
    record.wrong.append(f"no answer in {PATIENCE:,.0f} s: the line was always full")


def crowd(count: int) -> list[Record]:
    """People, every other one a program."""
    return [Record("program" if number % 2 else "page") for number in range(count)]


def together(work: list[threading.Thread]) -> None:
    """Begin all, and wait for all."""
    for each in work:
        each.start()
    for each in work:
        each.join()


def _json(answer: httpx.Response) -> Any:
    if answer.status_code >= 400:
        _look_for_busy(answer.text)
        raise RuntimeError(f"{answer.status_code}: {answer.text[:200]}")
    return answer.json()


def _look_for_busy(said: str) -> None:
    if any(words in said for words in BUSY):
        raise BusyError
