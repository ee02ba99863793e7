"""Laws of scores in words."""

from __future__ import annotations

import pytest

from app.views.scores import figures_of
from attribution.results import Entry


def entry(score: float, stderr: float | None = None) -> Entry:
    return Entry(1, "id", 0, "id.png", "a dog", score, stderr)


def test_scores_of_one_ranking_share_unit_and_digits() -> None:
    entries = [entry(0.0156, 0.0017), entry(0.0021, 0.0018)]
    figures = figures_of(entries)
    assert [figures.both(each) for each in entries] == ["15.6 ± 1.7 × 10⁻³", "2.1 ± 1.8 × 10⁻³"]


def test_scores_without_errors_have_three_digits_and_a_true_minus() -> None:
    figures = figures_of([entry(0.9871), entry(-0.25)])
    assert figures.both(entry(0.9871)) == "0.987"
    assert figures.both(entry(-0.25)) == "−0.250"
    assert figures.both(entry(-0.0001)) == "0.000"


@pytest.mark.parametrize("scale", [0.0, 1e-12, 1e-3, 1.0, 1e3, 1e12])
def test_scores_of_any_size_are_written_short(scale: float) -> None:
    entries = [entry(scale, scale / 20), entry(scale / 3, scale / 30)]
    assert all(len(figures_of(entries).score(each)) <= 9 for each in entries)
