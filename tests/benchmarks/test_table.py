"""Laws of the table of stages."""

from __future__ import annotations

import pytest

from benchmarks import table
from benchmarks.published import Comparison


def test_the_table_has_medians_and_the_slowest_look_up() -> None:
    seconds = {table.START: [3.0, 4.0, 9.0], table.PROVISIONAL: [0.4], table.WHOLE: [1.5]}
    seconds |= {"clip": [0.01], "dino": [0.02, 0.05, 0.04], "abu: checking controls": [0.9]}
    rows = dict(table.summary(seconds, [8.0, 7.0, 12.0]))
    assert rows["page start, from `python app.py` to its first answered request"] == "4.0 s"
    assert "0.04 s" in rows.values()
    assert rows["refined AbU, all stages, from nothing"] == "8.0 s"
    assert any("controls 0.9" in name for name in rows)


def test_both_ratios_of_the_comparison_follow_from_its_seconds() -> None:
    refined = (20.0, 10.0, 9.0), (5.0, 4.0, 50.0)
    found = Comparison("torch 2", 3e-3, 2.5e-3, 2e-3, 1.0, 0.9, 300.0, 100.0, *refined, images=10)
    assert (found.exhaustive_ratio, found.torch_ratio) == pytest.approx((1.5, 1.2))
    rows = table.comparison_rows(found)
    assert [row[-2:] for row in rows] == [("1.20", "1.50"), ("", ""), ("40", "80"), ("10", "20")]
    assert rows[1][2:4] == ("1.00000", "0.90000")
