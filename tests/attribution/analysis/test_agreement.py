"""Laws of how far two rankings agree."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.analysis.agreement import chance_overlap, overlap, rank_agreement
from tests.worlds.strips import ranking


def test_overlap_and_agreement_have_known_values() -> None:
    one, other = ranking(list(range(40))), ranking([*range(10, 40), *range(10)])
    assert overlap(one, one) == 20
    assert overlap(one, other) == 10
    assert rank_agreement(one, one) == pytest.approx(1)
    assert rank_agreement(one, ranking(list(range(39, -1, -1)))) == pytest.approx(-1)
    assert rank_agreement(ranking([0, 1]), ranking([0, 1])) is None


def test_agreement_is_of_the_whole_training_set_or_not_known() -> None:
    """Law: How orders agree is said of the whole training set, never of what was picked as promising."""
    rng = np.random.default_rng(0)
    for size in (3, 40, 300):
        one, other = (ranking(rng.permutation(size).tolist()) for _ in range(2))
        places = [other.rows.tolist().index(row) for row in one.rows]
        slow = np.corrcoef(range(size), places)[0, 1]
        assert rank_agreement(one, other) == pytest.approx(slow, abs=1e-12)
        picked = ranking([size - 1, *range(size - 2)])  # all but one
        assert rank_agreement(one, picked) is None
        assert rank_agreement(picked, one) is None


def test_chance_shares_what_random_draws_from_the_training_set_would() -> None:
    rng = np.random.default_rng(0)
    one, other = ranking(list(range(100))), ranking([99, *range(29)])
    drawn = [len(np.intersect1d(rng.permutation(100)[:20], rng.permutation(100)[:20])) for _ in range(2000)]
    assert chance_overlap(one, other) == pytest.approx(np.mean(drawn), abs=0.15)
    assert chance_overlap(one, other, top=1) == pytest.approx(0.01)
