"""A line chart as SVG, by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.svg import COLOURS, INK, RULE, WIDTH, apart, drawing, text

HEIGHT = 400  # pixels
LEFT, RIGHT, TOP, BOTTOM = 64, 116, 38, 64  # margins; names of lines stand at the right


@dataclass(frozen=True)
class Line:
    """A named series; `dashed` where it was not measured whole."""

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


@dataclass(frozen=True)
class Scale:
    """Numbers => pixels, by their logarithms."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)


def log_log(lines: Sequence[Line], x_title: str, y_title: str, note: str = "") -> str:
    """The chart, both axes logarithmic; every number must be positive."""
    xs = sorted({x for line in lines for x, _ in line.points})
    ys = [y for line in lines for _, y in line.points]
    low, high = 10 ** math.floor(math.log10(min(ys))), 10 ** math.ceil(math.log10(max(ys)))
    across = Scale(xs[0], xs[-1], LEFT + 16, WIDTH - RIGHT)
    upwards = Scale(low, high, HEIGHT - BOTTOM, TOP)
    parts = [_ticks_across(xs, across), _ticks_upwards(low, high, upwards)]
    places = apart([upwards(line.points[-1][1]) for line in lines])
    for line, colour, place in zip(lines, COLOURS, places, strict=False):
        parts.append(_line(line, colour, across, upwards, place))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(text(middle, HEIGHT - 22, x_title, INK, "middle"))
    parts.append(text(LEFT - 44, TOP - 20, y_title, INK, "start"))
    parts.append(text(WIDTH - 8, HEIGHT - 6, note, INK, "end", 12))
    return drawing(HEIGHT, f"{y_title} by {x_title}", parts)


def _line(line: Line, colour: str, across: Scale, upwards: Scale, place: float) -> str:
    at = [(across(x), upwards(y)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
    dash = " stroke-dasharray='6 5'" if line.dashed else ""
    dots = "".join(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='4' fill='{colour}'/>" for x, y in at)
    drawn = f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2.5'{dash}/>"
    return drawn + dots + text(at[-1][0] + 12, place + 5, line.name, colour, "start", 14, 600)


def _ticks_across(values: Sequence[float], scale: Scale) -> str:
    foot = HEIGHT - BOTTOM
    return "".join(
        f"<line x1='{scale(v):.1f}' x2='{scale(v):.1f}' y1='{foot}' y2='{foot + 5}' stroke='{INK}'/>"
        + text(scale(v), foot + 20, f"{v:,.0f}", INK, "middle")
        for v in values
    )


def _ticks_upwards(low: float, high: float, scale: Scale) -> str:
    decades = range(round(math.log10(low)), round(math.log10(high)) + 1)
    return "".join(
        f"<line x1='{LEFT}' x2='{WIDTH - RIGHT + 4}' y1='{scale(10.0**d):.1f}' y2='{scale(10.0**d):.1f}' "
        f"stroke='{RULE}'/>" + text(LEFT - 8, scale(10.0**d) + 4, f"{10.0**d:,g}", INK, "end")
        for d in decades
    )
