"""Laws of scores in words."""

from __future__ import annotations

import pytest

from app.views.scores import figures_of
from attribution.results import SHARES, Entry, Ranking
from tests.worlds.rankings import ranking_of


def entry(score: float, stderr: float | None = None) -> Entry:
    return Entry(1, "id", 0, "id.png", "a dog", score, stderr)


def plain(**details: bool) -> Ranking:
    return ranking_of([], details=details)


def test_scores_of_one_ranking_share_unit_and_digits() -> None:
    entries = [entry(0.0156, 0.0017), entry(0.0021, 0.0018)]
    figures = figures_of(entries, plain())
    assert [figures.both(each) for each in entries] == ["15.6 ± 1.7 × 10⁻³", "2.1 ± 1.8 × 10⁻³"]


def test_scores_without_errors_have_three_digits_and_a_true_minus() -> None:
    figures = figures_of([entry(0.9871), entry(-0.25)], plain())
    assert figures.both(entry(0.9871)) == "0.987"
    assert figures.both(entry(-0.25)) == "−0.250"
    assert figures.both(entry(-0.0001)) == "0.000"


@pytest.mark.parametrize("scale", [0.0, 1e-12, 1e-3, 1.0, 1e3, 1e12])
def test_scores_of_any_size_are_written_short(scale: float) -> None:
    entries = [entry(scale, scale / 20), entry(scale / 3, scale / 30)]
    assert all(len(figures_of(entries, plain()).score(each)) <= 9 for each in entries)


@pytest.mark.parametrize(
    ("shares", "written"),
    [
        ([0.3512, 0.0101], ["35.1%", "1.0%"]),
        ([0.00352, 0.0002], ["0.35%", "0.02%"]),
        ([0.000341], ["0.034%"]),
        ([0.0], ["0.0%"]),
        ([1.0], ["100.0%"]),
    ],
)
def test_shares_are_written_in_per_cent(shares: list[float], written: list[str]) -> None:
    """Law: A score that is a share says so: it is written in per cent, and has no other unit."""
    entries = [entry(share) for share in shares]
    figures = figures_of(entries, plain(**{SHARES: True}))
    assert [figures.both(each) for each in entries] == written
    assert figures.unit == ""
