"""Laws of the whole server under hands that mean it no good, asked over HTTP but without a browser."""

from __future__ import annotations

import io
import json
import logging
import random
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image

import app.api
from app.runtime import reports
from attribution.results import Progress
from attribution.workspace.workspace import Workspace
from tests.worlds.servers import built, listening

REQUESTS = 120
REST = ("a dog", None, None, "refined", 0, None)  # of what /attribute is sent, behind the picture
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 10**30, 1e308, "", "x", "../../etc/passwd", [], {}, [None] * 40, {"a": {}},
)  # fmt: skip
CALLS = ("run/predict", "queue/join", "call/attribute", "call/generate", "call/run", "api/run", "cancel")
PATHS = [*(f"/gradio_api/{name}" for name in (*CALLS, "upload")), "/uploads", "/", "/config", "/thumbs/x"]
# Gradio asks pandas, in each call, for what is about to go.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")


@pytest.fixture(scope="module")
def server(tiny_world: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    folder = tmp_path_factory.mktemp("server")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "sent"))
        yield built(tiny_world, folder / "runs")


@pytest.fixture(scope="module")
def client(server: FastAPI) -> Iterator[httpx.Client]:
    with listening(server) as address, httpx.Client(base_url=address, timeout=60) as found:
        yield found


def nonsense(draw: random.Random) -> tuple[str, str, Any]:
    """A method, a path and a body that no page of ours sends."""
    odd = lambda: draw.choice(ODD)  # noqa: E731
    body = {
        "data": draw.choice([odd(), [odd() for _ in range(draw.randrange(8))]]),
        "fn_index": draw.choice([*range(40), odd()]),
        "session_hash": draw.choice(["abc", odd()]),
        "event_data": draw.choice([None, odd(), {"index": odd(), "id": odd(), "x": odd()}]),
        "trigger_id": odd(),
    }
    return (
        draw.choice(["POST", "POST", "POST", "GET", "PUT"]),
        draw.choice(PATHS),
        draw.choice([body, odd()]),
    )


def test_nonsense_is_a_few_lines_of_the_log_and_no_traceback(
    client: httpx.Client, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Law: Whatever is sent to the server, its log has a few lines of it a minute and no traceback."""
    draw = random.Random(0)
    with caplog.at_level(logging.INFO):
        for _ in range(REQUESTS):
            method, path, body = nonsense(draw)
            client.request(method, path, content=json.dumps(body))
        time.sleep(1)  # what was taken into the queue is answered meanwhile
    written = caplog.text + capfd.readouterr().err
    assert "Traceback" not in written, written
    refusals = [record for record in caplog.records if record.name == "whence"]
    assert len(refusals) <= 2 * reports.LINES


def test_a_file_that_is_an_address_is_not_fetched(client: httpx.Client) -> None:
    """Law: Nothing is fetched from an address that a program names as a file."""
    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        there = f"http://127.0.0.1:{listener.getsockname()[1]}/x.png"

        def listen() -> None:
            try:
                listener.accept()
                asked.set()
            except TimeoutError:
                pass

        waiting = threading.Thread(target=listen)
        waiting.start()
        for named in ({"path": there}, {"path": there, "url": there}, {"path": "x", "url": there}):
            picture = {**named, "meta": {"_type": "gradio.FileData"}}
            assert "error" in called(client, "attribute", [picture, *REST])
        assert client.get(f"/gradio_api/proxy={there}").status_code >= 400
        waiting.join()
    assert not asked.is_set()


def called(client: httpx.Client, name: str, data: list[Any]) -> str:
    """What a program is told of a call, as it comes over the wire."""
    begun = client.post(f"/gradio_api/call/{name}", json={"data": data})
    if begun.status_code != 200:
        return f"error {begun.text}"
    return client.get(f"/gradio_api/call/{name}/{begun.json()['event_id']}").text


def test_a_mistake_of_ours_is_told_by_its_number(
    client: httpx.Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: Whoever meets a mistake of ours is told the number under which the log has its traceback."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(app.api, "checked_generation", broken)
    told = called(client, "generate", ["a dog", 0, 2, 1.0, ""])
    (record,) = [record for record in caplog.records if record.name == "whence"]  # once
    assert record.exc_info is not None
    assert "ZeroDivisionError" in record.getMessage()
    number = record.getMessage().split()[1].rstrip(":")
    assert f"report {number}" in told


def test_what_computes_is_not_called_past_the_queue(client: httpx.Client) -> None:
    for name in ("attribute", "generate"):
        assert client.post(f"/gradio_api/run/{name}", json={"data": []}).status_code == 404


def test_a_question_stops_when_its_program_has_hung_up(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: A question stops at its next step when the program that asked it has hung up."""
    begun, closed = threading.Event(), threading.Event()

    def endless(*_: object) -> Iterator[Progress]:
        try:
            while True:
                time.sleep(0.02)
                begun.set()
                yield Progress("", "measuring", 1, 2)
        finally:
            closed.set()

    monkeypatch.setattr(app.api, "attribute", endless)
    sent = client.post("/gradio_api/upload", files={"files": ("x.png", picture(), "image/png")}).json()
    file = {"path": sent[0], "meta": {"_type": "gradio.FileData"}}
    call = client.post("/gradio_api/call/attribute", json={"data": [file, *REST]}).json()
    with client.stream("GET", f"/gradio_api/call/attribute/{call['event_id']}"):
        assert begun.wait(60)
        assert not closed.is_set()
    assert closed.wait(60)


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (32, 32), "teal").save(out, format="PNG")
    return out.getvalue()
