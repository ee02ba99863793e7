"""Laws of the figures of rankings against each other."""

from __future__ import annotations

import pytest

from app.charts.comparison import chance_plot, rank_plot
from app.charts.figures import colours_of
from tests.worlds.strips import strip


def test_strips_under_one_method_are_told_apart_by_colour() -> None:
    assert len(set(colours_of([strip([1], "a"), strip([1], "b")]))) == 2


def test_every_point_knows_its_image() -> None:
    one, other = strip(range(50), "a", "<b>a"), strip(range(49, -1, -1), "b", "<b>b")
    figure = rank_plot(one, other)
    points = {e: (x, y) for t in figure.data for e, x, y in zip(t.customdata, t.x, t.y, strict=True)}
    assert len(points) == 50
    assert points["train-00000"] == (1, 50)
    assert "<b>" not in figure.layout.xaxis.title.text


def test_scores_are_shown_against_chance_where_there_is_a_null() -> None:
    assert chance_plot([strip([1, 2])]) is None
    figure = chance_plot([strip([1, 2, 3], z=True)])
    assert figure is not None
    assert figure.data[0].y[0] == pytest.approx(1)
    assert list(figure.data[1].x) == [3.0, 4.5, 9.0]
    assert list(figure.data[1].y) == pytest.approx([3 / 4, 2 / 4, 1 / 4])  # of four training images
