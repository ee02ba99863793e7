"""Laws of reports and of the documents they are put into."""

from __future__ import annotations

from evaluation.markdown import table
from evaluation.reports import with_block


def test_a_report_replaces_its_own_block_and_nothing_else() -> None:
    document = "# Ours\n\n<!-- a -->\nold\n<!-- /a -->\n\nkept\n"
    assert with_block(document, "a", "new\n") == "# Ours\n\n<!-- a -->\nnew\n<!-- /a -->\n\nkept\n"
    assert with_block(document, "b", "more").endswith("kept\n\n<!-- b -->\nmore\n<!-- /b -->\n")


def test_a_table_has_one_line_a_row() -> None:
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |\n"
