"""Requests that no page and no program of ours sends, at random but seeded."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.fuzz.routes import Route

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW")
IDS = (
    "0", "-1", "999999999999999999999999", "1.5", "nan", "None", "true", "x", "..", "../../etc/passwd",
    "a/b", "%2e%2e%2f", "\0", "\r\nX: y", "'; --", "<script>", "é", "🦊", "a" * 3000, "attribute",
    "generate", "run", "methods", "http://127.0.0.1:9/x", "file:///etc/passwd", "C:\\x", "{x}", "*", " ",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 3, 10**30, 1e308, "", "x", "abc", "../../etc/passwd", "\0", "🦊" * 50, [], {},
    [None] * 40, {"a": {}}, {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
    {"__type__": "update"}, [[[[]]]],
)  # fmt: skip
FIELDS = (
    "data", "fn_index", "session_hash", "event_data", "trigger_id", "event_id", "api_name", "component_id",
    "fn_name", "prompt", "code", "username", "password", "run", "simple_format", "batched", "request",
    "hash",
)  # fmt: skip
JSON, FORM = "application/json", "multipart/form-data; boundary=x"
TYPES = (JSON, FORM, "multipart/form-data", "text/plain", "x/y", "")
HEADERS = {
    "X-Whence": ("upload", "x"), "Range": ("bytes=0-1", "bytes=9-1", "x"), "If-None-Match": ('"x"', "*"),
    "Cookie": ("access-token=x", "=;=;", "a" * 3000), "Accept": ("*/*", "x", ""),
    "Accept-Encoding": ("x", "gzip"), "X-Gradio-User": ("app", "x"), "X-Forwarded-For": ("x", "1.2.3.4"),
    "X-Forwarded-Proto": ("x",), "Referer": ("x", "http://["), "Authorization": ("Basic x", "Bearer x"),
    "Accept-Language": ("é".encode(), "x"),
}  # fmt: skip


@dataclass(frozen=True)
class Nonsense:
    """One request."""

    method: str
    url: str
    headers: dict[str, str | bytes]
    body: bytes

    @property
    def words(self) -> str:
        """What it was, on one line."""
        return f"{self.method} {self.url[:160]} {self.headers!r:.200} {self.body!r:.300}"


def nonsense(routes: Sequence[Route], number: int, seed: int = 0) -> Nonsense:
    """The request of a number: of each route in turn."""
    draw, route = random.Random(f"{seed}-{number}"), routes[number % len(routes)]
    method = draw.choice(route.methods if draw.random() < 0.8 else METHODS)
    path = re.sub(
        r"\{[^}]*\}", lambda _: quote(draw.choice(IDS), safe=draw.choice(("", "/:.%"))), route.path
    )
    asked = [name for name in (*route.asked, "x") if draw.random() < 0.6]
    query = "&".join(f"{name}={quote(str(draw.choice((*IDS, *VALUES))))}" for name in asked)
    kind, body = _body(draw)
    headers: dict[str, str | bytes] = {"Content-Type": kind} if kind else {}
    for name, values in HEADERS.items():
        if draw.random() < 0.1:
            headers[name] = draw.choice(values)
    return Nonsense(method, f"{path}?{query}" if query else path, headers, body)


def _body(draw: random.Random) -> tuple[str, bytes]:
    """Its type, as it is said, and the bytes."""
    form = draw.randrange(5)
    if form == 0:
        return draw.choice(TYPES), draw.randbytes(draw.randrange(200))
    if form == 1:
        part = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{draw.choice(IDS)}"\r\n\r\n'
        return FORM, part.encode() + draw.randbytes(20) + draw.choice((b"\r\n--x--\r\n", b""))
    if form == 2:
        return draw.choice(TYPES), json.dumps(draw.choice(VALUES)).encode()
    sent = {name: draw.choice(VALUES) for name in FIELDS if draw.random() < 0.5}
    if draw.random() < 0.5:
        sent |= {"data": [draw.choice(VALUES) for _ in range(draw.randrange(8))], "session_hash": "abc"}
        sent["fn_index"] = draw.randrange(60)
    return JSON, json.dumps(sent).encode()
