"""The top of the page: a script before all others, what link previews read, and the names of all scripts.

Gradio puts what it is given behind its own modules, hence the script. It gives previews its own name and a
picture of another site, hence their tags. The content security policy names the
others by their hashes: of what the server itself sends, so that what comes in later does not run.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.frontend.assets import script
from app.frontend.policy import hashes, policy

MARK = b"<head>"
PREVIEW = re.compile(rb'<meta\s+(?:property|name)="(?:og|twitter):[^>]*>')  # Gradio's own

# The page's address, with a slash at its end, and the run that it names or "" => tags for its head.
Preview = Callable[[str, str], str]


class EarlyScript:
    """Puts assets/page/early.js first into the HTML of one page; every other answer passes as it is.

    Args:
        head: HTML that Gradio adds to the page's head in the browser.
        path: of the page.
        preview: what link previews are told; may read files.
    """

    def __init__(
        self, app: ASGIApp, head: str = "", path: str = "/", preview: Preview | None = None
    ) -> None:
        self.app, self._head, self._path, self._preview = app, head.encode(), path, preview
        self._tag = MARK + f"<script>{script('early.js')}</script>".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        begun: list[Message] = []
        body = bytearray()

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                begun.append(message)
                return
            if message["type"] != "http.response.body":  # of an extension of the protocol
                await send(message)
                return
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            told = await self._told(Request(scope))
            whole = PREVIEW.sub(b"", bytes(body)).replace(MARK, self._tag + told, 1)
            headers = MutableHeaders(scope=begun[0])
            headers["content-length"] = str(len(whole))
            headers["content-security-policy"] = policy(hashes(whole + self._head))
            await send(begun[0])
            await send({"type": "http.response.body", "body": whole})

        await self.app(scope, receive, collect)

    async def _told(self, request: Request) -> bytes:
        """The tags of what is asked for."""
        if self._preview is None:
            return b""
        page = str(request.base_url).rstrip("/") + self._path
        run = request.query_params.get("run", "")
        return (await run_in_threadpool(self._preview, page, run)).encode()
