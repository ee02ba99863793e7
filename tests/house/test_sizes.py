"""Laws of how large things may be: what is read at one sitting, and what is seen at one glance."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.house.sources import tracked
from tests.worlds import ROOT

FILE_LINES = 320
FUNCTION_LINES = 45  # from `def` to its last line
ENTRIES = {"attribution": 18, "app": 14}  # files and rooms in a part's hall


def python_files() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py"]


def test_no_file_is_longer_than_one_reads_at_a_sitting() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    assert [f"{p.relative_to(ROOT)}: {n} lines" for p, n in lengths.items() if n > FILE_LINES] == []


def test_no_function_is_longer_than_one_keeps_in_mind() -> None:
    too_long = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {lines} lines"
        for path in python_files()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]
    assert too_long == []


@pytest.mark.parametrize("part", ENTRIES)
def test_a_hall_has_few_enough_entries_to_be_taken_in_at_a_glance(part: str) -> None:
    # Gradio writes a *.pyi beside each component of ours; it is not tracked.
    entries = {
        path.relative_to(ROOT / part).parts[0] for path in tracked() if path.is_relative_to(ROOT / part)
    }
    assert len(entries) <= ENTRIES[part], sorted(entries)
