"""The head of the page, and what says where to drop a picture."""

from __future__ import annotations

from collections.abc import Sequence

from app.frontend.templates import render


def heading(training_images: int, resolution: int, models: Sequence[tuple[str, str, bool]] = ()) -> str:
    """The page's name, what it is about, and the buttons that belong to the whole of it.

    Args:
        models: the title and the path of each model to choose from, and whether it is this one.
    """
    facts = f"{training_images:,} training images · {resolution} × {resolution}"
    return render("heading.html", facts=facts, models=models)


def drop_zone() -> str:
    """Where a file is dropped, or chosen."""
    return render("drop.html")
