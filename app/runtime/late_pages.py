"""Pages of further models: each is built when it is first opened, so that many models start no later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send


class LatePages:
    """Passes what lies below a page's path to the application that is built for it.

    Args:
        pages: what builds one, by its path, which ends with a slash.
    """

    def __init__(self, app: ASGIApp, pages: Mapping[str, Callable[[], FastAPI]]) -> None:
        self.app = app
        self._pages = {path: _LatePage(build) for path, build in pages.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for path, page in self._pages.items():
                if f"{scope['path']}/".startswith(path):
                    await (await page.built())(scope, receive, send)
                    return
        await self.app(scope, receive, send)


class _LatePage:
    """One application, not there yet."""

    def __init__(self, build: Callable[[], FastAPI]) -> None:
        self._build = build
        self._built: FastAPI | None = None
        self._lock = asyncio.Lock()  # two who come first at once wait for the same
        self._life: asyncio.Task[None] | None = None

    async def built(self) -> ASGIApp:
        """The application; others are served while it is built."""
        async with self._lock:
            if self._built is None:
                built = await run_in_threadpool(self._in_a_loop)
                started = asyncio.Event()
                self._life = asyncio.create_task(_alive(built, started))
                await started.wait()
                self._built = built
        return self._built

    def _in_a_loop(self) -> FastAPI:
        async def build() -> FastAPI:
            return self._build()

        return asyncio.run(build())  # where no event loop runs, Gradio makes some and leaves them open


async def _alive(app: FastAPI, started: asyncio.Event) -> None:
    """What the application has running beside it, until the server ends."""
    async with app.router.lifespan_context(app):
        started.set()
        await asyncio.Event().wait()
