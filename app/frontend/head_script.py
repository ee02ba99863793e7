"""A script at the very top of the page, and what names every script in it.

Gradio puts what it is given behind its own modules, hence the one. The content security policy names the
others by their hashes: of what the server itself sends, so that what comes in later does not run.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.frontend.assets import script
from app.frontend.policy import hashes, policy

MARK = b"<head>"


class EarlyScript:
    """Puts assets/page/early.js first into the HTML of one page; every other answer passes as it is.

    Args:
        head: HTML that Gradio adds to the page's head in the browser.
        path: of the page.
    """

    def __init__(self, app: ASGIApp, head: str = "", path: str = "/") -> None:
        self.app, self._head, self._path = app, head.encode(), path
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
            whole = bytes(body).replace(MARK, self._tag, 1)
            headers = MutableHeaders(scope=begun[0])
            headers["content-length"] = str(len(whole))
            headers["content-security-policy"] = policy(hashes(whole + self._head))
            await send(begun[0])
            await send({"type": "http.response.body", "body": whole})

        await self.app(scope, receive, collect)
