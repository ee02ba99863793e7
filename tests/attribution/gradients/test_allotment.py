"""Laws of how draws are spread over timesteps."""

from __future__ import annotations

import numpy as np

from attribution.gradients.allotment import EVEN_SHARE, Allotment, allotted, bin_of

TIMES = 1000


def test_drawn_timesteps_are_as_likely_as_the_allotment_says() -> None:
    probabilities = np.where(np.arange(TIMES) < 900, 0.5 / 900, 0.5 / 100)
    spread = Allotment(probabilities)
    drawn = spread.timesteps(np.random.default_rng(0).random(20_000))
    assert abs((drawn >= 900).mean() - 0.5) < 0.02
    values = np.sin(np.arange(TIMES) / 100) + 2
    weighed = values[drawn] * spread.importance(drawn)
    assert abs(weighed.mean() - values.mean()) < 3 * weighed.std() / np.sqrt(len(drawn))


def test_the_last_place_is_a_timestep_too() -> None:
    assert Allotment.even(TIMES).timesteps(np.array([0.0, 1 - 1e-16])).tolist() == [0, TIMES - 1]


def test_a_pilot_with_a_heavy_tail_sends_draws_there_and_leaves_none_out() -> None:
    """Law: Draws go where they are needed, and everywhere some."""
    timesteps = np.arange(TIMES)
    squares = np.where(timesteps >= 950, 400.0, 1.0)[None] * np.ones((3, 1))
    spread = allotted(squares, timesteps, TIMES)
    by_part = np.bincount(bin_of(timesteps, TIMES), spread.probabilities)
    np.testing.assert_allclose(spread.probabilities.sum(), 1)
    assert by_part[-1] > 0.75
    assert by_part.min() >= EVEN_SHARE / len(by_part) * 0.999


def test_an_allotment_gives_more_effective_draws_than_even_ones() -> None:
    rng = np.random.default_rng(1)
    scale = np.where(np.arange(TIMES) >= 900, 30.0, 1.0)
    pilot = rng.integers(TIMES, size=4000)
    spread = allotted(scale[pilot][None] * rng.lognormal(size=(2, 4000)), pilot, TIMES)

    def effective(allotment: Allotment) -> float:
        drawn = allotment.timesteps(rng.random(4000))
        x = scale[drawn] * rng.lognormal(size=4000) * allotment.importance(drawn)
        return float(x.sum() ** 2 / (x**2).sum())

    assert effective(spread) > 2 * effective(Allotment.even(TIMES))


def test_a_pilot_without_any_gradient_is_spread_evenly() -> None:
    spread = allotted(np.zeros((2, 50)), np.arange(50), 50)
    np.testing.assert_allclose(spread.probabilities, 1 / 50)
