"""Laws of the bars of influence by group."""

from __future__ import annotations

import pytest

from app.charts.groups import SHARE, SUM, group_plot
from attribution.workspace.workspace import Workspace
from tests.worlds.strips import strip


@pytest.mark.parametrize("measure", [SHARE, SUM])
def test_bars_carry_their_intervals(tiny_world: Workspace, measure: str) -> None:
    figure = group_plot(strip(list(range(40)), stderr=0.1), tiny_world.training_set, "objects", measure)
    bars = figure.data[0]
    assert len(bars.error_x.array) == len(bars.x) == len(bars.y)
    assert min(bars.error_x.array) >= 0
    assert list(bars.x) == sorted(bars.x, reverse=True)
