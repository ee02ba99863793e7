"""Send a request, and say what must not be in the answer."""

from __future__ import annotations

import httpx

from tests.fuzz.requests import Nonsense

PATIENCE = 2.0  # seconds for the next piece of an answer: streams of events never end
READ = 20_000  # bytes of an answer
COME_AGAIN = (b'"refused"', b"the model is being opened")  # in answers of our own, of status 503


def wrong(client: httpx.Client, request: Nonsense) -> str:
    """What is wrong with the answer to a request; empty if nothing is."""
    headers = {**request.headers, "Connection": "close"}  # of one answer, nothing is left for the next
    sent = client.build_request(
        request.method, request.url, headers=headers, content=request.body, timeout=PATIENCE
    )
    told = b""
    try:
        answer = client.send(sent, stream=True)
    except httpx.ReadTimeout:
        return ""  # a stream that has not begun: its first event is still to come
    except httpx.TransportError as problem:
        return f"no answer: {problem}"
    try:
        for piece in answer.iter_raw():
            told += piece
            if len(told) > READ:
                break
    except httpx.ReadTimeout:
        pass
    except httpx.TransportError as problem:
        return f"{answer.status_code}, broken off: {problem}"
    finally:
        answer.close()
    ours = answer.status_code == 503 and any(words in told for words in COME_AGAIN)
    if answer.status_code >= 500 and not ours:
        return f"{answer.status_code}: {told[:200]!r}"
    return "a traceback was sent" if b"Traceback (most recent" in told else ""
