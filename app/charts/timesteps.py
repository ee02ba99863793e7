"""A training image's loss by timestep, before and after, as a small drawing in the page's own colours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from markupsafe import Markup
from numpy import ndarray

from app.frontend.templates import render
from attribution.analysis.loss_map import LossMap

WIDTH, LEFT, RIGHT = 340, 46, 10
LOSSES, RISES = (22, 92), (128, 198)  # top and bottom of either panel
HEIGHT = 232
LABELLED = 5  # timesteps at most


def timestep_chart(found: LossMap, title: str) -> Markup:
    """Two panels over one axis: the losses, and below them their rise with its own, smaller error."""
    rise = found.after - found.before
    x = _across(found)
    losses = _Axis.of(LOSSES, 0.0, float(np.nanmax(_upper(found.after, found.after_stderr))))
    low = float(np.nanmin(np.minimum(_upper(rise, -found.rise_stderr), 0)))
    rises = _Axis.of(RISES, low, float(np.nanmax(_upper(rise, found.rise_stderr))))
    curves = [(name, losses.points(x, getattr(found, name))) for name in ("before", "after")]
    steps = range(0, len(found.timesteps), max(1, math.ceil(len(found.timesteps) / LABELLED)))
    return render(
        "timesteps.html",
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        bottom=RISES[1],
        spoken=_spoken(found, title),
        panels=[
            {"name": "loss", **losses.grid(), "curves": curves, "bars": []},
            {"name": "rise", **rises.grid(), "curves": [], "bars": rises.bars(x, rise, found.rise_stderr)},
        ],
        steps=[(f"{x[k]:.1f}", found.timesteps[k]) for k in steps],
    )


def _spoken(found: LossMap, title: str) -> str:
    largest = int(np.argmax(found.after - found.before))
    return (
        f"{title}: loss by timestep, before and after the picture was unlearned. It rises most at timestep "
        f"{found.timesteps[largest]}, from {found.before[largest]:.4f} to {found.after[largest]:.4f}."
    )


@dataclass(frozen=True)
class _Axis:
    """Values up and down one panel.

    Attributes:
        place: top and bottom.
        low, high: the values there; the higher is at the top.
    """

    place: tuple[int, int]
    low: float
    high: float

    @classmethod
    def of(cls, place: tuple[int, int], low: float, high: float) -> _Axis:
        return cls(place, low, high if high > low else low + 1e-9)

    def y(self, value: float) -> float:
        top, bottom = self.place
        return bottom - (value - self.low) / (self.high - self.low) * (bottom - top)

    def grid(self) -> dict[str, Any]:
        """Where the panel begins, and lines at the largest value and at zero."""
        lines = [
            {"y": f"{self.y(value):.1f}", "below": f"{self.y(value) + 4:.1f}", "value": _short(value)}
            for value in (self.high, 0.0)
        ]
        return {"top": self.place[0], "lines": lines}

    def points(self, x: Float[ndarray, " n"], values: Float[ndarray, " n"]) -> str:
        return " ".join(f"{a:.1f},{self.y(float(v)):.1f}" for a, v in zip(x, values, strict=True))

    def bars(
        self, x: Float[ndarray, " n"], values: Float[ndarray, " n"], errors: Float[ndarray, " n"]
    ) -> list[dict[str, str]]:
        return [
            self._bar(across, float(value), float(error))
            for across, value, error in zip(x, values, errors, strict=True)
        ]

    def _bar(self, across: float, value: float, error: float) -> dict[str, str]:
        top, bottom = sorted((self.y(value), self.y(0.0)))
        whisker = ""
        if math.isfinite(error):
            whisker = f"M{across:.1f} {self.y(value - error):.1f}V{self.y(value + error):.1f}"
        return {
            "kind": "rise-bar" if value >= 0 else "fall-bar",
            "x": f"{across - 7:.1f}",
            "top": f"{top:.1f}",
            "height": f"{bottom - top:.1f}",
            "error": whisker,
        }


def _across(found: LossMap) -> Float[ndarray, " timesteps"]:
    places = np.linspace(LEFT + 14, WIDTH - RIGHT - 14, len(found.timesteps))
    return places if len(places) > 1 else np.array([(LEFT + WIDTH - RIGHT) / 2])


def _upper(values: Float[ndarray, " n"], errors: Float[ndarray, " n"]) -> Float[ndarray, " n"]:
    upper: Float[ndarray, " n"] = values + np.nan_to_num(errors)
    return upper


def _short(value: float) -> str:
    if value == 0:
        return "0"
    return f"{value:.2g}" if abs(value) >= 1e-3 else f"{value:.0e}".replace("e-0", "e-")
