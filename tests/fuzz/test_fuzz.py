"""Laws of the server under nonsense, a little of it; `python -m tests.fuzz` sends thousands."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from app.runs.export import name_of
from app.runtime.failures import UNREADABLE, Failures
from app.runtime.reports import went_wrong
from attribution.workspace.workspace import Workspace
from tests.fuzz.requests import nonsense
from tests.fuzz.routes import routes_of
from tests.fuzz.trial import wrong
from tests.worlds.servers import built, listening

COUNT = 200
# Gradio asks pandas, in each call, for what is about to go.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")


@pytest.fixture(scope="module")
def server(tiny_world: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    folder = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "sent"))
        yield built(tiny_world, folder / "runs")


def test_every_route_is_known(server: FastAPI) -> None:
    @server.get("/just/{added}")
    def added(added: str, how: str = "") -> str:
        return added + how

    found = {route.path: route for route in routes_of(server)}
    assert found["/just/{added}"].asked == ("how",)
    for path in ("/uploads", "/images/{row}", "/config", "/gradio_api/queue/join", "/gradio_api/upload"):
        assert path in found
    server.router.routes.pop()


# The server's framework forgets the file of an upload that breaks off; it is closed when it is collected.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <function SpooledTemporaryFile")
@pytest.mark.slow
def test_no_route_ends_in_an_error_of_the_server(server: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    """Law: Whatever is sent to any route of the server, it is no error of the server, and no traceback."""
    routes = list(routes_of(server))
    with listening(server) as address, httpx.Client(base_url=address) as client:
        found = {
            request.words: problem
            for request in (nonsense(routes, number) for number in range(COUNT))
            if (problem := wrong(client, request))
        }
    assert found == {}
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.fixture
def failing() -> Iterator[httpx.Client]:
    """A server that fails, as what serves the page does and as ours might."""
    server = FastAPI()

    @server.post("/theirs")
    async def theirs(request: Request) -> object:
        return await request.json()

    @server.get("/said")
    def said() -> object:
        return JSONResponse({"error": "no"}, 500)

    @server.get("/stream")
    def stream() -> StreamingResponse:
        def pieces() -> Iterator[bytes]:
            yield b"one"
            raise ValueError("the sender's")

        return StreamingResponse(pieces())

    @server.get("/ours")
    def ours() -> str:
        return name_of(None)  # type: ignore[arg-type]

    server.add_middleware(Failures)
    with listening(server) as address, httpx.Client(base_url=address) as client:
        yield client


def test_what_cannot_be_read_is_refused(failing: httpx.Client) -> None:
    answer = failing.post("/theirs", content=b"{")
    assert (answer.status_code, answer.text) == (400, UNREADABLE)
    assert failing.get("/said").status_code == 400
    assert failing.get("/stream").text == "one"  # whole, though it was broken off


def test_a_mistake_of_ours_keeps_its_number(
    failing: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = failing.get("/ours")
    (record,) = [record for record in caplog.records if record.name == "whence"]
    assert answer.status_code == 500
    assert answer.text == went_wrong(record.getMessage().split()[1].rstrip(":"))
