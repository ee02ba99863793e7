"""What fails while a request is answered: the sender's nonsense is refused, a mistake of ours has a number.

What serves the page raises whatever it likes at a body or a query that it cannot read, and its server
makes an error of its own (500) of that, or breaks a stream off. Whose fault it was, `Reports` knows.
"""

from __future__ import annotations

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.runtime.reports import REPORTS, WENT_WRONG, went_wrong

UNREADABLE = "this request makes no sense to the server"
BUSY = 503  # which is said on purpose


class Failures:
    """Answers for an application that fails: 400 for nonsense, 500 and a number for a mistake of ours."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            await self.app(scope, receive, answer.send)
        except Exception as problem:
            number = REPORTS.caught(problem)
            if answer.begun:  # its stream has an end now; more cannot be said
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            words, code = (UNREADABLE, 400) if number is None else (went_wrong(number), 500)
            await PlainTextResponse(words, code)(scope, receive, send)
            return
        await answer.send_held()


class _Answer:
    """What an application sends; an error of the server is held back until it is known whose it was."""

    def __init__(self, send: Send) -> None:
        self._send, self._held = send, list[Message]()
        self.begun = False

    async def send(self, message: Message) -> None:
        fails = message["type"] == "http.response.start" and message["status"] >= 500
        if self._held or (fails and message["status"] != BUSY):
            self._held.append(message)
            return
        self.begun = True
        await self._send(message)

    async def send_held(self) -> None:
        """An error that was not raised but said: ours if it says so."""
        if self._held and WENT_WRONG.encode() not in b"".join(each.get("body", b"") for each in self._held):
            self._held[0]["status"] = 400
        for message in self._held:
            await self._send(message)
