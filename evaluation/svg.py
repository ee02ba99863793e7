"""What charts drawn by hand have in common: readable on light and on dark pages, nothing to install.

Colours are of middle lightness and the ground is transparent, so that a chart needs to know of no theme.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

WIDTH = 720  # pixels
INK, RULE = "#768390", "#76839055"
COLOURS = ("#d9622b", "#2f81f7", "#2da44e", "#a371f7", "#bf8700", "#db61a2", "#1b7c83", "#768390")
FONT = "font-family='system-ui,-apple-system,Segoe UI,Helvetica,Arial,sans-serif'"


def drawing(height: float, title: str, parts: Sequence[str]) -> str:
    """The whole file."""
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height:g}' width='{WIDTH}' "
        f"height='{height:g}' role='img' {FONT}>\n<title>{escape(title)}</title>\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def text(x: float, y: float, words: str, ink: str, anchor: str, size: int = 13, weight: int = 400) -> str:
    """Some words at a place, which is their start, middle or end."""
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' fill='{ink}' text-anchor='{anchor}' font-size='{size}' "
        f"font-weight='{weight}'>{escape(words)}</text>"
    )


def apart(places: Sequence[float], least: float = 17) -> list[float]:
    """Heights of names, moved down where two would overlap; in the order given."""
    moved, last = list(places), -math.inf
    for k in sorted(range(len(places)), key=lambda k: places[k]):
        moved[k] = last = max(places[k], last + least)
    return moved
