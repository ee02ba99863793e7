"""Laws of the table of overlaps."""

from __future__ import annotations

from app.views.comparison import overlap_table
from tests.worlds.strips import strip


def test_the_table_has_every_pair_and_escapes_titles() -> None:
    shown = overlap_table([strip([1, 2, 3], key, f"<b>{key}") for key in "abc"])
    assert shown.count("<tr>") == 1 + 3
    assert "<b>" not in shown
    assert "Ask with two methods" in overlap_table([strip([1])])
