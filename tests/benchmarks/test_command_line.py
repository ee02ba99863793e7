"""Laws of `python -m benchmarks` and of what it puts into the documentation."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.__main__ import BENCHMARKS, block_of, parser, with_default
from benchmarks.reports import Report, publish


def test_every_benchmark_is_a_command_and_the_table_is_the_one_not_named() -> None:
    for name in BENCHMARKS:
        assert parser().parse_args([name]).benchmark == name
    assert with_default(["--queries", "3"]) == ["table", "--queries", "3"]
    assert with_default([]) == ["table"]
    assert with_default(["scaling", "--prepare"]) == ["scaling", "--prepare"]
    assert with_default(["--help"]) == ["--help"]


def test_figures_of_a_gpu_do_not_replace_those_of_the_cpu() -> None:
    assert block_of("table", "cpu") == "table"
    assert block_of("table", "cuda:0") == block_of("table", "cuda") == "table-cuda"


def test_a_report_goes_between_its_marks_and_its_figures_beside(tmp_path: Path) -> None:
    document = tmp_path / "PERFORMANCE.md"
    document.write_text("# Ours\n\n<!-- x -->\nold\n<!-- /x -->\n\nkept\n", encoding="utf-8")
    publish(Report({"a": 1}, "new\n", {"x.svg": "<svg/>"}), "x", tmp_path)
    assert document.read_text(encoding="utf-8") == "# Ours\n\n<!-- x -->\nnew\n<!-- /x -->\n\nkept\n"
    assert json.loads((tmp_path / "performance" / "x.json").read_text()) == {"a": 1}
    assert (tmp_path / "performance" / "x.svg").read_text() == "<svg/>"
