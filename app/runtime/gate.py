"""Who is let in: the outermost layer of the server, before anything of a request is read.

A page elsewhere must not drive a server on this machine. Its requests name their origin, which must be
this server's own; and where it has had its own name made to mean this machine (DNS rebinding), the host
that they name is none that this server goes by. A password keeps out whoever does not have it, people and
programs alike. What is sent to a browser says that no script runs but our own.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import socket
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import urlsplit

from cachetools import TTLCache
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.frontend.policy import policy
from app.runtime.reports import REPORTS

PROBES = ("/healthz", "/readyz")  # say nothing but that the server and its model are there
TRIES, SPAN = 10, 60.0  # wrong passwords of one address in so many seconds
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@cache
def own_names() -> frozenset[str]:
    """What this machine is called, besides its addresses."""
    return frozenset({"localhost", socket.gethostname().lower()})


@dataclass(frozen=True)
class Access:
    """Who is let in.

    Attributes:
        hosts: further names by which the server may be asked, besides its own and addresses.
        login: "USER:PASSWORD" that everyone needs; None for no one.
    """

    hosts: frozenset[str] = frozenset()
    login: str | None = field(default=None, repr=False)

    def knows_host(self, netloc: str) -> bool:
        """Whether a host, with or without a port, is this server: an address can be nobody else's name."""
        name = name_of(netloc)
        return name in own_names() | self.hosts or is_address(name)

    def knows_origin(self, origin: str, host: str) -> bool:
        """Whether a page of this origin is our own: it names the host that is asked, or one it was told."""
        try:
            netloc = urlsplit(origin).netloc
        except ValueError:
            netloc = ""
        return bool(netloc) and (netloc.lower() == host.lower() or name_of(netloc) in self.hosts)

    def knows_login(self, authorization: str) -> bool:
        """Whether a request brings the password, as HTTP's basic authentication has it."""
        kind, _, given = authorization.partition(" ")
        try:
            found = base64.b64decode(given, validate=True) if kind.lower() == "basic" else b""
        except ValueError:
            found = b""
        return self.login is None or hmac.compare_digest(found, self.login.encode())


class Gate:
    """Refuses requests that `Access` does not let in, and sets the headers that bind a browser."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access
        self._wrong: TTLCache[str, int] = TTLCache(1000, SPAN)  # tries, by address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        address = (scope.get("client") or ("",))[0]
        refused = self._refusal(Headers(scope=scope), address, scope.get("path", ""))
        if scope["type"] != "http":  # nothing of ours speaks anything else
            return
        if refused is None:
            await self.app(scope, receive, _bound(send))
            return
        REPORTS.refused(f"a request was refused: {words_of(refused)}")
        await refused(scope, receive, send)

    def _refusal(self, headers: Headers, address: str, path: str) -> PlainTextResponse | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self.access.knows_host(host):
            return said(f"{host[:80]!r} is no name of this server: give it with --allow-host", 421)
        if origin is not None and not self.access.knows_origin(origin, host):
            return said(f"a page of {origin[:80]!r} cannot ask this server", 403)
        if self.access.login is None or path in PROBES:
            return None
        if self._wrong.get(address, 0) >= TRIES:
            return said("too many wrong passwords: wait a minute", 429)
        given = headers.get("authorization")
        if given is not None and self.access.knows_login(given):
            return None
        if given is not None:
            self._wrong[address] = self._wrong.get(address, 0) + 1
        return said("this page needs a password", 401, {"WWW-Authenticate": 'Basic realm="Whence"'})


def name_of(netloc: str) -> str:
    """A host's name or address, without its port; empty for what is none."""
    try:
        return (urlsplit(f"//{netloc}").hostname or "").lower()
    except ValueError:
        return ""


def is_address(name: str) -> bool:
    """Whether a host is an address in numbers."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def said(words: str, code: int, headers: dict[str, str] | None = None) -> PlainTextResponse:
    """A refusal in one line."""
    return PlainTextResponse(words, code, {**HEADERS, **(headers or {})})


def words_of(refused: PlainTextResponse) -> str:
    """What a refusal says."""
    return bytes(refused.body).decode()


def _bound(send: Send) -> Send:
    """Adds the headers to whatever is sent; a page with scripts in it has named them already."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Content-Security-Policy", policy())
        await send(message)

    return sending
