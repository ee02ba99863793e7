"""The head of the page, and what says where to drop a picture."""

from __future__ import annotations

from app.frontend.templates import render


def heading(training_images: int, resolution: int) -> str:
    """The page's name, what it is about, and the buttons that belong to the whole of it."""
    facts = f"{training_images:,} training images · {resolution} × {resolution}"
    return render("heading.html", facts=facts)


def drop_zone() -> str:
    """Where a file is dropped, or chosen."""
    return render("drop.html")
