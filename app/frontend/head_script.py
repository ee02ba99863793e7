"""A script at the very top of the page: Gradio puts what it is given behind its own modules."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.frontend.assets import script

MARK = b"<head>"


class EarlyScript:
    """Puts assets/page/early.js first into the HTML of `/`; every other answer passes as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._tag = MARK + f"<script>{script('early.js')}</script>".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        begun: list[Message] = []
        body = bytearray()

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                begun.append(message)
                return
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            whole = bytes(body).replace(MARK, self._tag, 1)
            MutableHeaders(scope=begun[0])["content-length"] = str(len(whole))
            await send(begun[0])
            await send({"type": "http.response.body", "body": whole})

        await self.app(scope, receive, collect)
