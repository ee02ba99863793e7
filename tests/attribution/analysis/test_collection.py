"""Laws of how far pictures lean on a collection."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.analysis.collection import FEWEST, lean_of, mean_share
from attribution.results import Ranking, Scores
from attribution.workspace.workspace import Workspace


def ranking(workspace: Workspace, scores: np.ndarray) -> Ranking:
    rows = np.arange(len(scores))
    return Ranking.of(Scores(rows, scores), workspace.training_set, "m", "M", 0.0, "some")


def test_a_collection_s_shares_are_counted_by_hand(tiny_world: Workspace) -> None:
    scores = -np.ones(len(tiny_world.training_set))
    scores[[3, 5, 7]] = 6, 3, 1
    chosen = np.zeros(len(scores), bool)
    chosen[[5, 7]] = True
    lean = lean_of(ranking(tiny_world, scores), chosen, top=2)
    assert (lean.first, lean.top, lean.share) == (1, 2, 0.5)
    assert lean.score == pytest.approx(0.4)
    assert lean_of(ranking(tiny_world, -np.abs(scores)), chosen).score is None  # nothing is positive


def test_a_shortlist_has_no_share_of_all_scores(tiny_world: Workspace) -> None:
    """Law: What was shortlisted for being promising is no baseline for a collection's share of scores."""
    chosen = np.ones(len(tiny_world.training_set), bool)
    lean = lean_of(ranking(tiny_world, np.arange(10.0)), chosen)
    assert (lean.first, lean.top, lean.score) == (10, 10, None)


def test_the_whole_training_set_has_all_and_nothing_has_nothing(tiny_world: Workspace) -> None:
    whole = np.ones(len(tiny_world.training_set), bool)
    found = ranking(tiny_world, np.arange(float(len(whole))))
    assert (lean_of(found, whole).share, lean_of(found, whole).score) == (1.0, 1.0)
    assert (lean_of(found, ~whole).share, lean_of(found, ~whole).score) == (0.0, 0.0)


def test_parts_of_one_picture_are_no_pictures_of_their_own() -> None:
    assert mean_share([[1.0, 1.0, 1.0], [0.0]]).value == 0.5


def test_an_interval_is_of_pictures_and_of_enough_of_them() -> None:
    assert mean_share([[0.5]] * (FEWEST - 1)).low is None
    same = mean_share([[0.25]] * FEWEST)
    assert (same.low, same.value, same.high) == (0.25, 0.25, 0.25)
    some = mean_share([[k / 40] for k in range(41)])
    assert some.low is not None
    assert some.high is not None
    assert some.low < 0.5 < some.high
    # The standard error of this mean is 0.046: the bootstrap's interval is about 1.96 of it to both sides.
    assert some.high - some.low == pytest.approx(
        2 * 1.96 * np.std([k / 40 for k in range(41)]) / 41**0.5, rel=0.1
    )
    assert some == mean_share([[k / 40] for k in range(41)])


def test_bootstrap_intervals_hold_what_they_promise() -> None:
    """Law: About 95 of 100 intervals of a collection's share hold the true share, with 20 pictures."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        found = mean_share([[share] for share in rng.beta(2, 6, size=20)])
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.25 <= found.high
    assert 178 <= held <= 199
