"""Laws of what a damaged workspace does: it says so, or the damage has no effect."""

from __future__ import annotations

import pytest

from tests.damage.trial import BAD, Trials
from tests.worlds import TINY

COUNT = 40  # `python -m tests.damage` runs thousands


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Trials:
    return Trials(TINY, tmp_path_factory.mktemp("damage"))


@pytest.mark.slow
def test_a_damaged_workspace_is_refused_by_name_or_answers_as_before(trials: Trials) -> None:
    """Law: A workspace that was damaged anywhere is refused by name, or answers as it did before."""
    found = [trials.run(number) for number in range(COUNT)]
    assert [trial for trial in found if trial.outcome in BAD] == []
    assert len({trial.outcome for trial in found}) > 1, "it was damaged where it matters"
