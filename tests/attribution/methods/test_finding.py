"""Laws of the sentence that says what an answer has found."""

from __future__ import annotations

import json

import numpy as np
import pytest

from attribution.methods.finding import finding_of, summary
from attribution.results import Ranking
from tests.worlds.facts import ALL, FEW, few_share, ranked

SIGNS = few_share({"objects": [{"name": "stop sign"}]}, "a stop sign")
FIRST, LAST = list(range(40)), list(range(ALL - 40, ALL))


def rankings_of(*found: Ranking) -> dict[str, Ranking]:
    return {each.method: each for each in found}


def sentence(*found: Ranking) -> str:
    finding = finding_of(rankings_of(*found))
    assert finding is not None
    return finding.sentence


def judged(z: float, **more: object) -> Ranking:
    """A ranking whose best image is so many deviations from what unrelated pictures give it."""
    scores = np.linspace(z, 0, len(FIRST))
    return ranked(SIGNS, FIRST, z=scores, details={"z_threshold": 4.0}, **more)


def test_the_sentence_says_how_many_share_what_with_its_interval_and_its_baseline() -> None:
    """Law: An answer is said with a count, its interval, and the share of the whole training set."""
    assert sentence(ranked(SIGNS, FIRST), ranked(SIGNS, [0, *LAST], "clip")) == (
        "By First order, 20 of the first 20 show a stop sign (95% interval: 84% to 100%); 10.0% of the "
        "whole training set do. CLIP image shares 1 of these 20 images."
    )


def test_influence_speaks_before_likeness_and_chance_never() -> None:
    """Law: A likeness speaks only where no influence was asked, and a random order never."""
    by_influence = finding_of(rankings_of(ranked(SIGNS, LAST, "clip"), ranked(SIGNS, FIRST, "abu")))
    assert by_influence is not None
    assert (by_influence.method, by_influence.likeness, by_influence.also) == ("abu", "CLIP image", 0)
    alone = finding_of(rankings_of(ranked(SIGNS, FIRST, "random"), ranked(SIGNS, LAST, "clip")))
    assert alone is not None
    assert (alone.method, alone.likeness) == ("clip", "")
    assert finding_of(rankings_of(ranked(SIGNS, FIRST, "random"))) is None
    assert finding_of({}) is None


def test_where_nothing_stands_out_it_says_so_and_counts_nothing() -> None:
    """Law: Where nothing stands out, an answer says that and not what its first images share."""
    assert sentence(judged(3.9)).startswith("Nothing stands out: no training image")
    assert "20 of the first 20" in sentence(judged(4.1))
    unsettled = judged(3.9, final=False)  # it may yet stand out
    assert "20 of the first 20" in sentence(unsettled)


@pytest.mark.parametrize(
    ("metadata", "caption", "words"),
    [
        ({"made_by": "Ann"}, "", "have “Ann” as their made by"),
        ({"objects": [{"name": "fog"}]}, "grey", "show fog"),
        ({}, "an elephant", "say “an elephant” in their captions"),
    ],
)
def test_a_fact_is_said_as_its_column_is(metadata: dict[str, object], caption: str, words: str) -> None:
    found = few_share(metadata, caption)
    assert f"{FEW} of the first {FEW} {words} (95%" in sentence(ranked(found, FIRST))


def test_what_has_nothing_in_common_is_said_to() -> None:
    order = [row for k in range(20) for row in (k, *range(20 + 9 * k, 29 + 9 * k))]
    assert "nothing in common" in sentence(ranked(SIGNS, order))


def test_the_summary_is_plain_values_with_the_sentence_first() -> None:
    written = json.loads(json.dumps(summary(rankings_of(ranked(SIGNS, FIRST)))))
    assert next(iter(written)) == "sentence"
    assert written["shared"] | {"p": 0, "interval": [], "facts": 0} == {
        "column": "objects", "value": "stop sign", "first": 20, "interval": [], "training_set": 0.1, "p": 0,
        "facts": 0,
    }  # fmt: skip
    assert summary({}) is None
