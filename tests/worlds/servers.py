"""The whole server in a thread of the test's own process."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from app.runs.archive import RunArchive
from app.server import build_server
from attribution.workspace.workspace import Workspace


def built(workspace: Workspace, runs: Path, *others: Workspace) -> FastAPI:
    """The server of a workspace, and of others; what is kept of its answers lies in `runs`."""
    first, *further = [(each, RunArchive(runs, each)) for each in (workspace, *others)]

    async def build() -> FastAPI:
        return build_server(*first, others=further)

    return asyncio.run(build())  # where no event loop runs, Gradio makes some and leaves them open


@contextmanager
def listening(server: FastAPI) -> Iterator[str]:
    """The address of a server in a thread of this process."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host, port = taken.getsockname()
        running = uvicorn.Server(uvicorn.Config(server, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [taken]})
        thread.start()
        try:
            yield f"http://{host}:{port}"
        finally:
            running.should_exit = True
            thread.join()
