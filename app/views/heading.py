"""The head of the page, and what says where to drop a picture."""

from __future__ import annotations

import html

DROP = (
    '<label class="drop"><input type="file" accept="image/png,image/jpeg,image/webp">'
    '<span class="drop-glyph" aria-hidden="true"></span>'
    '<span class="drop-words">Choose a picture, drop or paste it</span>'
    "<small>PNG, JPEG or WebP, up to 20 MB. A PNG saved from this page brings its settings back.</small>"
    "</label>"
)


def heading(training_images: int, resolution: int) -> str:
    facts = html.escape(f"{training_images:,} training images · {resolution} × {resolution}")
    return (
        '<header class="masthead"><h1>Whence</h1>'
        "<p>Which training images did this picture come from?</p>"
        f"<small>{facts}</small>"
        '<button type="button" id="history-open" aria-haspopup="dialog">History</button>'
        '<button type="button" id="shade" aria-label="Light or dark">'
        '<i aria-hidden="true"></i></button></header>'
    )
