"""Laws of a question that is asked on the page."""

from __future__ import annotations

from app.events.attribute import summary
from app.runs.run import Part, Picture, Run
from attribution.query import Query, Settings
from attribution.results import Entry, Ranking
from tests.worlds.answers import solid
from tests.worlds.rankings import ranking_of

WHITE = solid("white")


def run_of(rankings: dict[str, Ranking]) -> Run:
    part = Part("A", Query(WHITE, "a dog"), rankings)
    return Run(Picture(WHITE, "a dog"), "a dog", tuple(rankings), Settings(), (part,))


def entry(score: float, stderr: float | None = None) -> Entry:
    return Entry(1, "id", 0, "id.png", "a dog", score, stderr)


def test_the_summary_says_how_far_the_measuring_methods_looked() -> None:
    slow = ranking_of(
        (entry(1, 0.1),),
        "abu",
        seconds=3.0,
        candidates="a shortlist of 400 of 3,000 training images",
        title="AbU",
    )
    fast = ranking_of((entry(1),), candidates="all 3,000 training images")
    assert summary(run_of({"abu": slow, "clip": fast})) == (
        "Done in 3.1 s. AbU measured a shortlist of 400 of 3,000 training images."
    )
    assert "Nothing was measured" in summary(run_of({"clip": fast}))
