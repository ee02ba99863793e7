"""Laws of the crowd that asks one page."""

from __future__ import annotations

import pytest

from benchmarks.people import Record, crowd, settled
from benchmarks.soak import figures, row, soaked
from tests.worlds import TINY


def test_an_answer_is_settled_without_what_differs_each_time() -> None:
    answer = {"run": "x", "methods": {"clip": {"seconds": 1.0, "ranking": [{"rank": 1, "score": 0.5}]}}}
    assert settled(answer) == {"methods": {"clip": {"ranking": [{"rank": 1, "score": 0.5}]}}}


def test_every_other_one_of_a_crowd_is_a_program() -> None:
    assert [each.kind for each in crowd(3)] == ["page", "program", "page"]


def test_the_figures_name_whoever_was_starved() -> None:
    fed, starved = Record("page", [1.0, 3.0]), Record("program", [], 9, ["RuntimeError: 500"])
    found = figures([fed, starved, Record("page", walked_off=1)], [100.0, 110.0, 130.0], 0.5)
    assert (found["answers"], found["refused"], found["fewest"]) == (2, 9, 0)
    assert (found["resident_first"], found["resident_last"], found["resident_most"]) == (100, 130, 130)
    assert found["wrong"] == ["RuntimeError: 500"]
    assert row(found)[:8] == ("3", "2", "1", "9", "1", "2.0 s", "3.0 s", "0")


@pytest.mark.slow
def test_a_few_people_at_once_are_given_right_answers() -> None:
    """Law: People who ask one page at once, by page and by program, are given the answers of each alone."""
    found = soaked(TINY / "workspace", people=3, minutes=0.1, device="cpu")
    assert found["wrong"] == []
    assert found["fewest"] >= 1
    assert found["answers"] == sum(count for _, count, _ in found["by_person"])
