"""What the bars of influence by group are, in words."""

from __future__ import annotations

from app.charts.groups import SHARE, TOP
from app.frontend.templates import render
from attribution.results import Ranking


def group_words(ranking: Ranking | None, measure: str) -> str:
    """What the bars are, in a sentence or two."""
    if ranking is None:
        words = "Once there is an answer, it can be summed by any column of the training set's metadata."
    elif measure == SHARE:
        words = (
            f"How many of the first {min(TOP, len(ranking))} images have the value, with a 95% "
            "interval (Wilson). The tick is what chance would give: its share of all "
            f"{len(ranking.training_set):,} training images, ranked or not."
        )
    else:
        words = (
            f"The sum of the scores of the {len(ranking):,} images that were ranked, with a 95% "
            "interval (bootstrap over images, and the scores' own errors). Large groups have large sums; "
            "sums of similarities mean little, sums of rises in loss are influence."
        )
    return render("groups.html", words=words)
