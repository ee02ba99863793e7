"""The report's two charts as SVG: readable on light and on dark pages, nothing to install."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.svg import COLOURS, INK, RULE, WIDTH, apart, drawing, text

LEFT, RIGHT, TOP, FOOT, ROW = 150, 130, 34, 52, 26  # pixels
LETTER = 8  # of a name at the end of a line, at most


@dataclass(frozen=True)
class Mark:
    """A value with its interval, if there is one."""

    value: float
    interval: tuple[float, float] | None = None

    @property
    def ends(self) -> tuple[float, float]:
        return self.interval or (self.value, self.value)


@dataclass(frozen=True)
class Line:
    """A named series of (x, y)."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Scale:
    """Numbers => pixels, evenly; `low` to `high` are round."""

    low: float
    high: float
    start: float
    end: float
    step: float  # of the ticks

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float) -> Scale:
        """A scale that has zero and all the values."""
        least, most = min(0.0, *values), max(0.0, *values)
        step = round_step(most - least)
        low, high = math.floor(least / step) * step, math.ceil(most / step) * step
        return cls(low, high if high > low else low + step, start, end, step)

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        return [self.low + self.step * n for n in range(round((self.high - self.low) / self.step) + 1)]


def round_step(extent: float) -> float:
    """A round distance of ticks that gives three to eight of them."""
    if not extent > 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(extent))
    return next(s * power for s in (0.2, 0.25, 0.5, 1.0, 2.0) if extent / (s * power) <= 6)


def interval_chart(
    rows: Sequence[tuple[str, Sequence[Mark]]], names: Sequence[str], x_title: str, percent: bool = True
) -> str:
    """A row a name with a mark of each series, its interval as a line; zero is drawn."""
    height = TOP + ROW * len(rows) + FOOT
    ends = [end for _, marks in rows for mark in marks for end in (*mark.ends, mark.value)]
    across = Scale.over(ends, LEFT, WIDTH - RIGHT)
    foot = TOP + ROW * len(rows)
    parts = [_ticks_across(across, foot, percent)]
    for n, (name, marks) in enumerate(rows):
        y = TOP + ROW * (n + 0.5)
        parts.append(text(LEFT - 10, y + 4, name, INK, "end"))
        for k, mark in enumerate(marks):
            at, colour = y + 7 * (k - (len(marks) - 1) / 2), COLOURS[k]
            low, high = (across(end) for end in mark.ends)
            parts.append(
                f"<line x1='{low:.1f}' x2='{high:.1f}' y1='{at:.1f}' y2='{at:.1f}' stroke='{colour}' "
                f"stroke-width='2'/><circle cx='{across(mark.value):.1f}' cy='{at:.1f}' r='3.5' "
                f"fill='{colour}'/>"
            )
    for k, name in enumerate(names):
        parts.append(text(WIDTH - RIGHT + 14, TOP + 14 + 20 * k, name, COLOURS[k], "start", weight=600))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, height - 12, x_title, INK, "middle"))
    return drawing(height, x_title, parts)


def line_chart(lines: Sequence[Line], x_title: str, y_title: str, percent: bool = True) -> str:
    """The lines, named at their right ends; as many as there are colours."""
    lines, height = lines[: len(COLOURS)], 400
    xs = sorted({x for line in lines for x, _ in line.points})
    right = WIDTH - max(RIGHT, 14 + LETTER * max(len(line.name) for line in lines))
    across = Scale.over(xs, LEFT / 2, right)
    upwards = Scale.over([y for line in lines for _, y in line.points], height - FOOT, TOP)
    parts = []
    for tick in upwards.ticks:
        y = upwards(tick)
        ends = f"x1='{LEFT / 2}' x2='{right}' y1='{y:.1f}' y2='{y:.1f}'"
        parts.append(f"<line {ends} stroke='{RULE}'/>")
        parts.append(text(LEFT / 2 - 8, y + 4, _number(tick, percent), INK, "end"))
    parts += [text(across(x), height - FOOT + 18, f"{x:g}", INK, "middle") for x in xs]
    places = apart([upwards(line.points[-1][1]) for line in lines])
    for line, colour, place in zip(lines, COLOURS, places, strict=False):
        path = " ".join(f"{across(x):.1f},{upwards(y):.1f}" for x, y in line.points)
        parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2.5'/>")
        parts.append(
            text(across(line.points[-1][0]) + 10, place + 4, line.name, colour, "start", weight=600)
        )
    parts.append(text((LEFT / 2 + right) / 2, height - 10, x_title, INK, "middle"))
    parts.append(text(12, TOP - 16, y_title, INK, "start"))
    return drawing(height, f"{y_title} by {x_title}", parts)


def _ticks_across(across: Scale, foot: float, percent: bool) -> str:
    return "".join(
        f"<line x1='{across(tick):.1f}' x2='{across(tick):.1f}' y1='{TOP}' y2='{foot}' "
        f"stroke='{INK if tick == 0 else RULE}'/>"
        + text(across(tick), foot + 18, _number(tick, percent), INK, "middle")
        for tick in across.ticks
    )


def _number(value: float, percent: bool) -> str:
    return f"{round(100 * value, 6):g}%" if percent else f"{round(value, 6):g}"
