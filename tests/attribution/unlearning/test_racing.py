"""Laws of the race, on scores that are known."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import pytest
from jaxtyping import Float64, Int
from numpy import ndarray

from attribution.unlearning.racing import Standing, race

GRID, NOISES = 10, 2
COST = GRID * NOISES


class Simulated:
    """Images of known mean; every draw has a standard deviation of its own."""

    def __init__(self, means: Float64[ndarray, " n"], spread: float, seed: int):
        self.means, self.spread = means, spread
        self.rng = np.random.default_rng(seed)
        self.asked: list[tuple[int, int]] = []

    def __call__(
        self, positions: Int[ndarray, " n"], number: int
    ) -> Generator[object, None, Float64[ndarray, "n 10 2"]]:
        self.asked.append((len(positions), number))
        yield f"round {number}"
        grid = np.linspace(-1, 1, GRID)[None, :, None]
        noise = self.rng.normal(0, self.spread, (len(positions), GRID, NOISES))
        rises: Float64[ndarray, "n 10 2"] = self.means[positions][:, None, None] + grid + noise
        return rises


def run(
    means: Float64[ndarray, " n"], spread: float, budget: int, k: int = 5, seed: int = 0
) -> list[Standing]:
    measure = Simulated(means, spread, seed)
    events = list(race(len(means), k, budget, COST, lambda _: COST, measure))
    return [event for event in events if isinstance(event, Standing)]


def best(standing: Standing, k: int = 5) -> set[int]:
    return set(np.argsort(-np.nan_to_num(standing.values, nan=-np.inf))[:k].tolist())


def test_the_best_are_found() -> None:
    means = np.linspace(1, 0, 60)
    rng = np.random.default_rng(1)
    shuffled = rng.permutation(means)
    final = run(shuffled, 0.02, budget=4000)[-1]
    assert best(final) == set(np.argsort(-shuffled)[:5].tolist())
    assert final.settled


def test_nothing_is_spent_beyond_the_budget_but_a_first_look_at_twice_k() -> None:
    """Law: A race spends no more than its budget, but for a first look at twice the images asked for."""
    for budget in (100, 700, 2400, 9000):
        final = run(np.zeros(80), 1.0, budget)[-1]
        assert final.spent <= max(budget, 2 * 5 * COST)
        assert final.spent == final.draws.sum()
        assert final.over


def test_a_bigger_budget_measures_more() -> None:
    small, large = (run(np.zeros(200), 1.0, budget)[-1] for budget in (1000, 4000))
    assert (small.draws > 0).sum() < (large.draws > 0).sum()


def test_only_the_first_are_measured_when_the_budget_is_small() -> None:
    """Images come in order of promise."""
    final = run(np.zeros(200), 1.0, budget=600)[-1]
    measured = np.flatnonzero(final.draws)
    assert measured.tolist() == list(range(len(measured)))


def test_survivors_are_estimated_without_the_draws_that_chose_them() -> None:
    """Law: The survivors of a race are estimated without the draws that chose them.

    All alike: the chosen ones look better than they are on the draws that chose them, and only there.
    """
    chosen_by, fresh = [], []
    for seed in range(60):
        standings = run(np.zeros(60), 1.0, budget=2000, seed=seed)
        first, final = next(each for each in standings if each.rounds == 1), standings[-1]
        survivors = np.flatnonzero(final.racing)
        chosen_by.append(first.values[survivors].mean())
        fresh.append(final.values[survivors].mean())
    error = np.std(fresh) / np.sqrt(len(fresh))
    assert np.mean(chosen_by) > 0.05
    assert abs(np.mean(fresh)) < 4 * error


def test_standard_errors_are_honest() -> None:
    """Law: The standard errors of a race are honest."""
    z = []
    for seed in range(40):
        final = run(np.zeros(30), 1.0, budget=3000, seed=seed)[-1]
        survivors = np.flatnonzero(final.racing)
        z.extend(final.values[survivors] / final.stderr[survivors])
    assert np.std(z) == pytest.approx(1, abs=0.2)


def test_a_race_is_over_when_the_best_are_apart() -> None:
    means = np.concatenate([np.full(5, 10.0), np.zeros(55)])
    standings = run(means, 0.1, budget=100_000)
    assert [standing.rounds for standing in standings] == [0] * 5 + [1]
    assert standings[-1].settled
    assert standings[-1].over


def test_what_is_seen_early_is_a_part_of_the_first_round() -> None:
    """Law: What a race shows within its first round is a part of it, and decides nothing."""
    *early, whole = [each for each in run(np.linspace(1, 0, 60), 0.3, 4000) if each.rounds < 2]
    assert len(early) == 5
    for number, standing in enumerate(early, 1):
        known = ~np.isnan(standing.values)
        assert np.flatnonzero(known).tolist() == list(range(10 * number))
        assert standing.spent == standing.draws.sum() == 10 * number * COST
        assert np.array_equal(standing.values[known], whole.values[known])
        assert standing.racing.all()
        assert not standing.settled


def test_fewer_images_than_are_looked_for_are_all_measured() -> None:
    final = run(np.arange(3.0), 0.1, budget=1000)[-1]
    assert final.settled
    assert not np.isnan(final.values).any()


def test_what_the_measurement_yields_is_passed_on() -> None:
    events = list(race(10, 2, 1000, COST, lambda _: COST, Simulated(np.zeros(10), 1.0, 0)))
    assert "round 0" in events
    assert "round 1" in events


def test_the_same_race_twice_is_the_same() -> None:
    a, b = (run(np.linspace(0, 1, 40), 0.5, 2000, seed=3)[-1] for _ in range(2))
    assert np.array_equal(a.values, b.values, equal_nan=True)
    assert a.spent == b.spent
