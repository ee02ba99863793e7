"""Laws of the chart on logarithmic scales."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from benchmarks.chart import Line, Scale, log_log
from evaluation.svg import apart


def test_a_tenfold_value_is_as_far_from_one_as_a_hundredfold_from_ten() -> None:
    scale = Scale(1, 100, 0, 200)
    assert [scale(value) for value in (1, 10, 100)] == pytest.approx([0, 100, 200])


def test_names_that_would_overlap_are_moved_apart_and_keep_their_order() -> None:
    assert apart([10, 100, 200], 15) == [10, 100, 200]
    assert apart([100, 103, 40], 15) == [100, 115, 40]
    assert apart([103, 100, 101], 15) == [130, 100, 115]


def test_the_chart_is_whole_svg_with_every_line_and_dashes_where_not_measured() -> None:
    lines = [
        Line("scan & rank", [(500, 10.0), (8_000, 160.0)], dashed=True),
        Line("b", [(500, 1), (8_000, 2)]),
    ]
    drawn = ElementTree.fromstring(log_log(lines, "images", "seconds"))
    tags = [element.tag.split("}")[1] for element in drawn.iter()]
    assert (tags.count("polyline"), tags.count("circle")) == (2, 4)
    words = [element.text for element in drawn.iter() if element.tag.endswith("text")]
    assert {"scan & rank", "b", "500", "8,000", "images", "seconds"} <= set(words)
    dashed = ["stroke-dasharray" in e.attrib for e in drawn.iter() if e.tag.endswith("polyline")]
    assert dashed == [True, False]


def test_a_linear_cost_has_slope_one_in_the_chart() -> None:
    drawn = log_log([Line("linear", [(10, 1), (100, 10), (1_000, 100)])], "", "")
    points = re.findall(r"<polyline points='([^']+)'", drawn)[0].split()
    ys = [float(point.split(",")[1]) for point in points]
    assert ys[0] - ys[1] == pytest.approx(ys[1] - ys[2], abs=0.2)
