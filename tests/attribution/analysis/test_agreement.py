"""Laws of how far two rankings agree."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.analysis.agreement import common_rows, overlap, rank_agreement
from tests.worlds.strips import ranking


def test_overlap_and_agreement_have_known_values() -> None:
    one, other = ranking(list(range(40))), ranking([*range(10, 40), *range(10)])
    assert overlap(one, one) == 20
    assert overlap(one, other) == 10
    assert rank_agreement(one, one) == pytest.approx(1)
    assert rank_agreement(one, ranking(list(range(39, -1, -1)))) == pytest.approx(-1)
    assert rank_agreement(one, ranking([1, 2])) is None


def test_agreement_is_the_correlation_of_places_among_what_both_have_ranked() -> None:
    """Against the obvious version: the correlation of each image's place among the common ones."""
    rng = np.random.default_rng(0)
    for size in (3, 40, 300):
        one, other = (ranking(rng.permutation(2 * size)[:count].tolist()) for count in (size, 2 * size))
        common = [row for row in one.rows if row in other.rows]
        there = sorted(common, key=other.rows.tolist().index)
        slow = np.corrcoef(range(size), [there.index(row) for row in common])[0, 1]
        assert common_rows(one, other).tolist() == sorted(common)
        assert rank_agreement(one, other) == pytest.approx(slow, abs=1e-12)
