"""Laws of who is let in, asked over HTTP but without a browser."""

from __future__ import annotations

import base64
import hashlib

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from app.frontend.policy import hashes
from app.runtime import gate
from app.runtime.gate import Access, Gate

HERE = "http://127.0.0.1:7860"


def client(access: Access | None = None, address: str = HERE) -> TestClient:
    server = Starlette(routes=[Route("/", lambda _: PlainTextResponse("in"), methods=["GET", "POST"])])
    server.add_middleware(Gate, access=access or Access())
    return TestClient(server, base_url=address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:7860", "localhost", "LOCALHOST:1", "[::1]:7860", "192.168.0.7"]
)
def test_the_server_is_asked_by_its_own_name_or_an_address(host: str) -> None:
    assert client().get("/", headers={"Host": host}).text == "in"


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example:7860", "127.0.0.1.evil.example", "["]
)
def test_a_name_that_was_made_to_mean_this_machine_is_refused(host: str) -> None:
    """Law: A request that names the server by a name that it was not told is refused (DNS rebinding)."""
    answer = client().get("/", headers={"Host": host})
    assert answer.status_code == 421
    assert "--allow-host" in answer.text


def test_a_name_that_it_was_told_is_one_of_its_own() -> None:
    told = client(Access(frozenset({"whence.example"})), "https://whence.example")
    assert told.post("/", headers={"Origin": "https://whence.example"}).text == "in"
    behind = {"Host": "127.0.0.1:7860", "Origin": "https://whence.example"}  # a proxy that renames it
    assert told.post("/", headers=behind).text == "in"


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "http://127.0.0.1:1", "http://localhost:7860", "file://"),
        *("null", "", "http://["),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_page_elsewhere_cannot_ask(origin: str, method: str) -> None:
    """Law: A request that comes from a page of another origin is refused."""
    assert client().request(method, "/", headers={"Origin": origin}).status_code == 403
    assert client().request(method, "/", headers={"Origin": HERE}).text == "in"


def test_whoever_lacks_the_password_gets_nothing() -> None:
    """Law: Where a password is asked for, nothing is given to whoever lacks it."""
    asked = client(Access(login="ann:long enough"))
    first = asked.get("/")
    assert (first.status_code, first.headers["www-authenticate"]) == (401, 'Basic realm="Whence"')
    assert asked.get("/", auth=("ann", "long enough")).text == "in"
    for header in ("Basic", "Basic !", "Bearer x", "Basic YW5u", "Basic \xe9", "\xff"):
        assert asked.get("/", headers={"Authorization": header.encode("latin-1")}).status_code in (401, 429)


def test_a_password_cannot_be_guessed_by_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    """Law: After a few wrong passwords an address is not listened to for a minute."""
    monkeypatch.setattr(gate, "TRIES", 3)
    asked = client(Access(login="ann:long enough"))
    tried = [asked.get("/", auth=("ann", f"guess {n}")).status_code for n in range(5)]
    assert tried == [401, 401, 401, 429, 429]
    assert asked.get("/", auth=("ann", "long enough")).status_code == 429


def test_every_answer_binds_the_browser() -> None:
    for answer in (client().get("/"), client().get("/", headers={"Host": "evil.example"})):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
    wanted = client().get("/").headers["content-security-policy"]
    assert "script-src 'self' 'unsafe-eval';" in wanted
    assert "unsafe-inline" not in wanted.split("style-src")[0]


def test_inline_scripts_are_named_by_what_they_say() -> None:
    page = b"<script>a()</script><script type=module src=./b.js></script><script data-x>\nc()\n</script>"
    assert list(hashes(page)) == [sha256(b"a()"), sha256(b"\nc()\n")]


def sha256(text: bytes) -> str:
    return base64.b64encode(hashlib.sha256(text).digest()).decode()


def test_whether_the_server_is_there_takes_no_password_but_a_name_that_it_has() -> None:
    """Law: A container's keeper may ask without a password whether the server is there, and no more."""
    server = Starlette(routes=[Route("/{path:path}", lambda _: PlainTextResponse("in"))])
    server.add_middleware(Gate, access=Access(login="me:password"))
    asked = TestClient(server, base_url=HERE)
    paths = ("/healthz", "/readyz", "/", "/healthz/..", "/healthz/images/1", "//healthz")
    assert [asked.get(path).status_code for path in paths] == [200, 200, 401, 401, 401, 401]
    assert asked.get("/healthz", headers={"Host": "evil.example"}).status_code == 421
