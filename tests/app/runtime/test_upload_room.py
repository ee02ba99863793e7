"""Laws of the files that programs send: some, of some bytes, for some time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from app.runtime.upload_room import AROUND, ROUTE, Limits, UploadRoom, takes_files

LIMITS = Limits(files=4, given_out=3, bytes=1000, each=300, age=100, young=10)


@pytest.fixture
def sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path


def put(sent: Path, name: str, size: int, written: float) -> None:
    """A file as Gradio keeps it, of that time."""
    (sent / name).mkdir()
    (sent / name / "x.png").write_bytes(bytes(size))
    os.utime(sent / name, (written, written))


def room(sent: Path, coming: int, now: float) -> tuple[bool, set[str]]:
    """Whether there is room, and which files are left."""
    rooms = UploadRoom(Starlette(), LIMITS, clock=lambda: now)
    rooms.note((path for path in sent.iterdir() if not path.name.startswith("given")), "somebody")
    return rooms.make_room(coming), {path.name for path in sent.iterdir()}


def test_what_is_old_goes(sent: Path) -> None:
    """Law: Files that programs send are forgotten after a time."""
    put(sent, "old", 1, 0)
    put(sent, "new", 1, 50)
    assert room(sent, 1, now=101) == (True, {"new"})


@pytest.mark.parametrize(("size", "left"), [(1, {"b", "c", "d"}), (240, {"b", "c", "d"})])
def test_the_oldest_go_to_make_room(sent: Path, size: int, left: set[str]) -> None:
    """Law: Files that programs send are bounded in number and bytes."""
    for age, name in enumerate("abcd"):
        put(sent, name, size, age)
    assert room(sent, 100, now=60) == (True, left)


def test_what_has_just_come_stays_and_the_next_is_told_so(sent: Path) -> None:
    for name in "abcd":
        put(sent, name, 1, 55)
    assert room(sent, 1, now=60) == (False, {"a", "b", "c", "d"})


def test_what_pages_give_out_takes_no_room_from_what_is_sent(sent: Path) -> None:
    """Law: Answers that pages offer as files are bounded by themselves, and fill no room for uploads."""
    for age, name in enumerate(("given-0", "given-1", "given-2", "given-3", "given-4", "a", "b")):
        put(sent, name, 1, 50 + age)
    assert room(sent, 1, now=57) == (True, {"given-2", "given-3", "given-4", "a", "b"})
    assert room(sent, 997, now=57) == (True, {"given-4", "a", "b"})


@pytest.fixture
def client(sent: Path) -> Iterator[TestClient]:
    async def taken(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    inner = Starlette(routes=[Route(ROUTE, taken, methods=["POST"]), Route("/x", taken, methods=["POST"])])
    with TestClient(UploadRoom(inner, LIMITS)) as found:
        yield found


def test_whoever_sends_very_many_files_takes_no_room_from_others(sent: Path) -> None:
    """Law: One address that sends file after file makes room by its own oldest, and fills nobody's."""
    count = 0

    async def kept(request: Request) -> JSONResponse:
        nonlocal count
        name = f"{request.client.host if request.client else ''}-{count}"
        put(sent, name, 1, 2**40 + count)  # all of them young
        count += 1
        return JSONResponse([str(sent / name / "x.png")])

    inner = Starlette(routes=[Route(ROUTE, kept, methods=["POST"])])
    room = UploadRoom(inner, Limits(files=4, of_one=2))
    eager, other = (TestClient(room, client=(each, 1)) for each in ("eager", "other"))
    assert [eager.post(ROUTE, content=b"x").status_code for _ in range(9)] == [200] * 9
    assert {path.name for path in sent.iterdir()} == {"eager-7", "eager-8"}
    assert [other.post(ROUTE, content=b"x").status_code for _ in range(2)] == [200] * 2
    assert {path.name for path in sent.iterdir()} == {"eager-7", "eager-8", "other-9", "other-10"}


def test_a_request_is_bounded_before_it_is_read(client: TestClient, sent: Path) -> None:
    assert client.post(ROUTE, content=bytes(300)).text == "300"
    assert client.post(ROUTE, content=bytes(LIMITS.each + AROUND + 1)).status_code == 413
    assert client.post(ROUTE, content=iter([b"x"])).status_code == 411
    assert client.post("/x", content=iter([b"x"])).text == "1"
    for name in "abcd":
        put(sent, name, 1, 2**40)  # young, whatever the clock says
    assert isinstance(client.app, UploadRoom)
    client.app.note(sent.iterdir(), "somebody")
    assert client.post(ROUTE, content=b"x").status_code == 503


def test_every_models_page_takes_files() -> None:
    assert takes_files("/gradio_api/upload")
    assert takes_files("/models/my-dog/gradio_api/upload/")
    assert not takes_files("/gradio_api/uploads")
