"""Laws of the table of overlaps."""

from __future__ import annotations

from app.views.comparison import overlap_table
from tests.worlds.strips import strip


def test_the_table_has_every_pair_and_escapes_titles() -> None:
    shown = overlap_table([strip([1, 2, 3], key, f"<b>{key}") for key in "abc"])
    assert shown.count("<tr>") == 1 + 3
    assert "<b>" not in shown
    assert "Ask with two methods" in overlap_table([strip([1])])


def test_an_order_is_told_of_the_whole_training_set_or_said_to_be_unknown() -> None:
    whole, picked = strip([0, 1, 2, 3], "a"), strip([3, 1, 2], "b")
    assert "over all 4" in overlap_table([whole, strip([3, 2, 1, 0], "c")])
    assert "\N{MINUS SIGN}1.00" in overlap_table([whole, strip([3, 2, 1, 0], "c")])
    assert "b ranked a picked few" in overlap_table([whole, picked])
    assert "by chance 3.0" in overlap_table([whole, picked])  # four and three of four
