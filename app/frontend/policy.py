"""The content security policy: what a browser may run and load on the page."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator

POLICY = "; ".join(
    (
        "default-src 'self'",
        # Gradio's components are made with `new Function`; inline scripts are named by their hashes.
        "script-src 'self' 'unsafe-eval' {scripts}",
        "script-src-attr 'none'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
INLINE = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)


def hashes(html: bytes) -> Iterator[str]:
    """Of the scripts that stand in a page, as a content security policy names them."""
    for found in INLINE.finditer(html):
        yield base64.b64encode(hashlib.sha256(found[1]).digest()).decode()


def policy(scripts: Iterable[str] = ()) -> str:
    """The content security policy of a page whose inline scripts have these hashes."""
    return POLICY.format(scripts=" ".join(f"'sha256-{each}'" for each in scripts)).replace(" ;", ";")
