"""Laws of small files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from attribution.errors import ResultError
from evaluation.files import as_text, checked, digest_of, read_json, write_whole
from evaluation.retraining.left_out import LeftOut


def test_lists_of_numbers_are_one_line_and_nothing_else_changes() -> None:
    value = {"a": [[1.5, -2e-07], [3, 4]], "b": ["1,  2", "[ 3 ]"], "c": [], "d": "[\n 1\n]", "e": [None]}
    text = as_text(value).decode()
    assert json.loads(text) == value
    assert "[1.5, -2e-07]" in text


def test_a_file_is_written_whole_and_read_with_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.json"
    write_whole(path, as_text({"count": 1}))
    assert [each.name for each in path.parent.iterdir()] == ["x.json"]
    with pytest.raises(ResultError, match="is no leftout: sha256"):
        checked(LeftOut, read_json(path), path)
    path.write_text("{")
    with pytest.raises(ResultError, match="cut short"):
        read_json(path)
    with pytest.raises(ResultError, match="no file"):
        read_json(tmp_path / "none.json")


def test_a_digest_does_not_depend_on_the_order_of_names() -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1}) != digest_of({"a": 2, "b": 1})
