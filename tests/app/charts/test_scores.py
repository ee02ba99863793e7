"""Laws of the plot of scores."""

from __future__ import annotations

from app.charts.scores import PLOTTED, score_plot
from tests.worlds.strips import ranking, strips_of


def test_the_plot_gives_each_method_its_own_axis_and_errors_only_to_those_that_have_them() -> None:
    answer = {"abu": ranking(range(300), "abu", stderr=0.1), "clip": ranking([1, 2], "clip")}
    figure = score_plot(strips_of(answer, ("abu", "clip")))
    assert figure is not None
    abu, clip = figure.data
    assert (abu.yaxis, clip.yaxis) == ("y", "y2")
    assert len(abu.x) == PLOTTED
    assert list(abu.error_y.array) == [0.1] * PLOTTED
    assert clip.error_y.array is None


def test_the_plot_has_no_ground_of_its_own_so_that_it_is_legible_in_the_dark() -> None:
    figure = score_plot(strips_of({"a": ranking([1], "a")}))
    assert figure is not None
    layout = figure.layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"


def test_a_plot_of_nothing_is_empty() -> None:
    assert score_plot(strips_of({})) is None
