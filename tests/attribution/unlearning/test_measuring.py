"""Laws of measuring training images: what a draw is worth is the method's, everything else is shared."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from attribution.query import Candidates, Settings
from attribution.results import Progress, Scores, returned
from attribution.unlearning.measuring import Remeasured, measured, self_check
from attribution.unlearning.parts import PART
from attribution.unlearning.racing import Rises, mean_and_error
from attribution.workspace.workspace import Workspace


class Known:
    """Of image i: i, with a little noise of its own."""

    method = "test"

    def __init__(self, workspace: Workspace):
        self.grid = len(workspace.probe.timesteps)

    def worth(
        self, rows: Int[ndarray, " n"], noises: range, stage: str
    ) -> Generator[Progress, None, Rises]:
        yield Progress("test", stage, 0, len(rows))
        grid = range(self.grid)
        draws = [[[row + 0.01 * np.cos(row + t + k) for k in noises] for t in grid] for row in rows]
        return np.array(draws, np.float64)

    def draws_of(self, noises: range) -> int:
        return self.grid * len(noises)


def scores(workspace: Workspace, candidates: Candidates, **settings: int) -> list[Scores]:
    events = measured(candidates, workspace, Settings(**settings), Known)
    return [event for event in events if isinstance(event, Scores)]


def test_all_alike_are_shown_part_by_part_and_each_is_the_mean_of_its_draws(tiny_world: Workspace) -> None:
    rows = np.arange(PART + 5)[::-1]
    first, last = scores(tiny_world, Candidates(rows, "all"))
    assert (len(first.rows), first.final, len(last.rows), last.final) == (PART, False, PART + 5, True)
    noises = range(tiny_world.probe.noises)
    values, stderr = mean_and_error(returned(Known(tiny_world).worth(rows, noises, "")))
    np.testing.assert_array_equal(last.values, values)
    if len(noises) > 1:
        assert last.stderr is not None
        np.testing.assert_array_equal(last.stderr, stderr)


def test_a_race_spends_what_it_may_and_no_more(tiny_world: Workspace) -> None:
    """Law: A race measures within its budget of draws, whatever a draw is worth."""
    budget = 50 * len(tiny_world.probe.timesteps) * 2
    *_, last = scores(tiny_world, Candidates(np.arange(60), "some", race=True), budget=budget, top_k=4)
    assert last.final
    assert last.details["draws"] <= budget
    assert last.details["measured"] == len(last.rows) < 60


def test_what_lies_beyond_the_pool_is_measured_before_as_well(tiny_world: Workspace) -> None:
    images = Remeasured("test", tiny_world, tiny_world.model.weights, 64)
    grid, pool = len(tiny_world.probe.timesteps), tiny_world.probe.pool
    assert images.draws_of(range(2)) == 2 * grid
    assert images.draws_of(range(pool - 1, pool + 1)) == 3 * grid


def test_unchanged_weights_change_no_loss(tiny_world: Workspace) -> None:
    """Law: Under the loaded weights every training image's loss is the precomputed one."""
    images = Remeasured("test", tiny_world, tiny_world.model.weights, 64)
    pool = tiny_world.probe.pool
    rises = returned(images.rises(np.array([3, 9]), range(pool - 1, pool + 1), ""))
    np.testing.assert_allclose(rises, 0, atol=1e-5)


def test_a_person_is_told_when_unlearning_was_not_selective() -> None:
    assert self_check(0.10, 0.02) == ()
    assert "not selective" in self_check(0.10, 0.03)[0]
