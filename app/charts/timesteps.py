"""A training image's loss by timestep, before and after, as a small drawing in the page's own colours."""

from __future__ import annotations

import html
import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from attribution.analysis.loss_map import Forgotten

WIDTH, LEFT, RIGHT = 340, 46, 10
LOSSES, RISES = (22, 92), (128, 198)  # top and bottom of either panel
HEIGHT = 232


def timestep_chart(found: Forgotten, title: str) -> str:
    """Two panels over one axis: the losses, and below them their rise with its own, smaller error."""
    rise = found.after - found.before
    largest = int(np.argmax(rise))
    spoken = (
        f"{title}: loss by timestep, before and after the picture was unlearned. It rises most at timestep "
        f"{found.timesteps[largest]}, from {found.before[largest]:.4f} to {found.after[largest]:.4f}."
    )
    x = _across(found)
    losses = _Axis.of(LOSSES, 0.0, float(np.nanmax(_upper(found.after, found.after_stderr))))
    low = float(np.nanmin(np.minimum(_upper(rise, -found.rise_stderr), 0)))
    rises = _Axis.of(RISES, low, float(np.nanmax(_upper(rise, found.rise_stderr))))
    drawn = (
        losses.grid("loss")
        + _line(x, found.before, losses, "before")
        + _line(x, found.after, losses, "after")
        + rises.grid("rise")
        + _bars(x, rise, found.rise_stderr, rises)
        + _steps(x, found.timesteps)
    )
    return (
        f'<svg class="timesteps" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{html.escape(spoken)}">{drawn}</svg>'
    )


class _Axis:
    """Values up and down one panel."""

    def __init__(self, place: tuple[int, int], low: float, high: float) -> None:
        self.place, self.low, self.high = place, low, high

    @classmethod
    def of(cls, place: tuple[int, int], low: float, high: float) -> _Axis:
        return cls(place, low, high if high > low else low + 1e-9)

    def y(self, value: float) -> float:
        top, bottom = self.place
        return bottom - (value - self.low) / (self.high - self.low) * (bottom - top)

    def grid(self, name: str) -> str:
        """The largest value, zero, and the panel's name."""
        top, _ = self.place
        lines = "".join(
            f'<path class="grid" d="M{LEFT} {self.y(value):.1f}H{WIDTH - RIGHT}"/>'
            f'<text x="{LEFT - 6}" y="{self.y(value) + 4:.1f}" text-anchor="end">{_short(value)}</text>'
            for value in (self.high, 0.0)
        )
        return f'{lines}<text class="name" x="{LEFT}" y="{top - 8}">{name}</text>'


def _across(found: Forgotten) -> Float[ndarray, " timesteps"]:
    places = np.linspace(LEFT + 14, WIDTH - RIGHT - 14, len(found.timesteps))
    return places if len(places) > 1 else np.array([(LEFT + WIDTH - RIGHT) / 2])


def _upper(values: Float[ndarray, " n"], errors: Float[ndarray, " n"]) -> Float[ndarray, " n"]:
    upper: Float[ndarray, " n"] = values + np.nan_to_num(errors)
    return upper


def _line(x: Float[ndarray, " n"], values: Float[ndarray, " n"], axis: _Axis, name: str) -> str:
    points = " ".join(f"{a:.1f},{axis.y(float(v)):.1f}" for a, v in zip(x, values, strict=True))
    return f'<polyline class="{name}" points="{points}"/>'


def _bars(
    x: Float[ndarray, " n"], values: Float[ndarray, " n"], errors: Float[ndarray, " n"], axis: _Axis
) -> str:
    drawn, zero = "", axis.y(0.0)
    for across, value, error in zip(x, values, errors, strict=True):
        top, bottom = sorted((axis.y(float(value)), zero))
        kind = "rise-bar" if value >= 0 else "fall-bar"
        drawn += (
            f'<rect class="{kind}" x="{across - 7:.1f}" width="14" y="{top:.1f}" '
            f'height="{bottom - top:.1f}"/>'
        )
        if math.isfinite(error):
            low, high = axis.y(float(value - error)), axis.y(float(value + error))
            drawn += f'<path class="error" d="M{across:.1f} {low:.1f}V{high:.1f}"/>'
    return drawn


def _steps(x: Float[ndarray, " n"], timesteps: tuple[int, ...]) -> str:
    chosen = range(0, len(timesteps), max(1, math.ceil(len(timesteps) / 5)))
    labels = "".join(
        f'<text x="{x[k]:.1f}" y="{RISES[1] + 16}" text-anchor="middle">{timesteps[k]}</text>'
        for k in chosen
    )
    middle = (LEFT + WIDTH - RIGHT) / 2
    return (
        f'{labels}<text x="{LEFT}" y="{HEIGHT - 2}">details</text>'
        f'<text x="{middle}" y="{HEIGHT - 2}" text-anchor="middle">timestep</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 2}" text-anchor="end">layout</text>'
    )


def _short(value: float) -> str:
    if value == 0:
        return "0"
    return f"{value:.2g}" if abs(value) >= 1e-3 else f"{value:.0e}".replace("e-0", "e-")
