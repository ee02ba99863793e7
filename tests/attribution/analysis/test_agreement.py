"""Laws of how far two rankings agree."""

from __future__ import annotations

import pytest

from attribution.analysis.agreement import overlap, rank_agreement
from tests.worlds.strips import ranking


def test_overlap_and_agreement_have_known_values() -> None:
    one, other = ranking(list(range(40))), ranking([*range(10, 40), *range(10)])
    assert overlap(one, one) == 20
    assert overlap(one, other) == 10
    assert rank_agreement(one, one) == pytest.approx(1)
    assert rank_agreement(one, ranking(list(range(39, -1, -1)))) == pytest.approx(-1)
    assert rank_agreement(one, ranking([1, 2])) is None
