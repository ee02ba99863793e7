"""The page's own files: styles and scripts."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent.parent / "assets" / "page"


def script(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
