"""Figures as Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is left, the others right aligned."""
    aligned = ["---", *["---:"] * (len(header) - 1)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in [header, aligned, *rows])


def interval(ends: Sequence[float], digits: int = 3) -> str:
    """An interval in brackets."""
    return f"[{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]"


def percents(ends: Sequence[float]) -> str:
    """An interval of signed shares in brackets, in per cent."""
    return f"[{ends[0]:+.1%}, {ends[1]:+.1%}]"


def percent(value: float, ends: Sequence[float] | None) -> str:
    """A signed share in per cent, and its interval if it has one."""
    return f"{value:+.1%}" + ("" if ends is None else f" {percents(ends)}")
