"""The page's own files: styles and scripts."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[2] / "assets" / "page"


def script(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def styles() -> str:
    """All style sheets: the page's own first, then the panels'."""
    names = sorted(
        (path.name for path in FOLDER.glob("*.css")), key=lambda name: (name != "page.css", name)
    )
    return "\n".join(script(name) for name in names)


def report_styles() -> str:
    """What a report carries inside: how boxes and tests look on the page as well, and its own sheet."""
    return (
        script("box.css")
        + script("proof.css")
        + script("collection.css")
        + (FOLDER.parent / "report" / "report.css").read_text(encoding="utf-8")
    )
