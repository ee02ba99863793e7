"""Laws of what the server gives out and takes in, asked over HTTP but without a browser."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

import app.server
from app.__main__ import arguments
from app.runtime.model_loader import ModelLoader
from app.runtime.sessions import Uploads
from app.server import MAX_UPLOAD, receive_uploads, serve_pictures, serve_probes
from attribution.errors import WhenceError
from attribution.workspace.workspace import Workspace
from tests.worlds import ROOT

OURS = {"X-Whence": "upload"}


@pytest.fixture
def uploads() -> Uploads:
    return Uploads()


@pytest.fixture
def client(tiny_world: Workspace, uploads: Uploads) -> TestClient:
    server = FastAPI()
    serve_pictures(server, tiny_world)
    receive_uploads(server, uploads)
    return TestClient(server)


def png(size: tuple[int, int] = (64, 64)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, format="PNG")
    return out.getvalue()


def test_training_images_are_given_by_row_and_re_encoded(client: TestClient, tiny_world: Workspace) -> None:
    for kind in ("thumbs", "images"):
        answer = client.get(f"/{kind}/0")
        assert answer.headers["content-type"] == "image/webp"
        shown, true = Image.open(io.BytesIO(answer.content)), tiny_world.training_set.image(0)
        assert shown.width / shown.height == true.width / true.height


def test_a_browser_keeps_a_picture_only_as_long_as_the_training_set_is_the_same(client: TestClient) -> None:
    first, second = client.get("/thumbs/0"), client.get("/thumbs/1")
    assert first.headers["etag"] != second.headers["etag"]
    assert "no-cache" in first.headers["cache-control"]
    assert client.get("/thumbs/0", headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    assert client.get("/thumbs/0", headers={"If-None-Match": second.headers["etag"]}).status_code == 200


@pytest.mark.parametrize("row", ["-1", "96", "999999999999", "x", "..%2f..%2fetc%2fpasswd", "0.png", "%00"])
def test_nothing_but_a_row_of_the_training_set_is_a_picture(client: TestClient, row: str) -> None:
    assert client.get(f"/thumbs/{row}").status_code in (404, 422)


def test_a_picture_that_comes_in_waits_under_its_word(client: TestClient, uploads: Uploads) -> None:
    answer = client.post("/uploads", content=png((80, 40)), headers=OURS)
    upload = uploads.take(answer.json()["token"])
    assert upload is not None
    assert upload.image.size == (80, 40)


@pytest.mark.parametrize("data", [b"", b"plain text", b"GIF89a", b"<svg/>", png()[:60]])
def test_what_is_no_picture_is_refused_without_a_path(client: TestClient, data: bytes) -> None:
    answer = client.post("/uploads", content=data, headers=OURS)
    assert answer.status_code == 422
    assert "picture" in answer.json()["refused"].lower()
    assert "/" not in answer.json()["refused"]


def test_an_upload_too_large_is_refused_before_it_is_read(client: TestClient) -> None:
    answer = client.post("/uploads", content=bytes(MAX_UPLOAD + 1), headers=OURS)
    assert answer.status_code == 413


def test_more_pictures_at_once_than_can_be_taken_in_are_told_so(
    tiny_world: Workspace, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.server, "TAKEN_AT_ONCE", 0)
    server = FastAPI()
    receive_uploads(server, uploads)
    answer = TestClient(server).post("/uploads", content=png(), headers=OURS)
    assert answer.status_code == 503
    assert "again in a while" in answer.json()["refused"]


def test_another_site_cannot_send_a_picture(client: TestClient) -> None:
    assert client.post("/uploads", content=png()).status_code == 403


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["--workspace", "nowhere"],
        ["--workspace", "README.md"],
        ["--port", "0"],
        ["--threads", "0"],
        ["--device", "abacus"],
    ],
)
def test_what_cannot_be_opened_is_one_line_and_status_2(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "app.py", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 2
    *_, last = done.stderr.strip().splitlines()
    assert "Traceback" not in done.stderr
    assert len(last) > 20


def test_the_server_is_ready_when_its_model_is_open(tmp_path: Path, tiny_world: Workspace) -> None:
    """Law: The server says that it is ready when its model is open, and never where it cannot be opened."""
    told = {}
    gone = Workspace(tmp_path, replace(tiny_world.config, model="gone"))
    for name, workspace in (("there", Workspace.open(tiny_world.folder)), ("gone", gone)):
        server, loader = FastAPI(), ModelLoader(workspace)
        serve_probes(server, loader)
        asked = TestClient(server)
        before = asked.get("/readyz")
        assert (before.status_code, before.text) == (503, "the model is being opened")
        with suppress(WhenceError):
            loader.wait()
        told[name] = asked.get("/readyz")
        assert asked.get("/healthz").status_code == 200
    assert (told["there"].status_code, told["gone"].status_code) == (200, 503)
    assert told["gone"].text == "the model cannot be opened: see the server's log"


def test_where_it_listens_is_read_as_gradio_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("NAME", "0.0.0.0"), ("PORT", "7000")):
        monkeypatch.setenv(f"GRADIO_SERVER_{name}", value)
    monkeypatch.setenv("SPACE_HOST", "who-whence.example")
    found = arguments(["--allow-host", "proxy.example"])
    assert (found.host, found.port) == ("0.0.0.0", 7000)
    assert found.allow_host == ["proxy.example", "who-whence.example"]
    assert arguments(["--port", "1"]).port == 1
