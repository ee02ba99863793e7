"""Laws of the draws that losses and gradients are measured at."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attribution.errors import SettingsError
from attribution.models.draws import stratified_draws, timestep_grid
from tests.worlds.linear_model import LinearModel


def test_timestep_grid_is_exact() -> None:
    """Law: A grid of timesteps divides the model's timesteps exactly."""
    assert timestep_grid(1000, 10) == (50, 150, 250, 350, 450, 550, 650, 750, 850, 950)
    assert timestep_grid(1000, 1) == (500,)
    for count in (1, 2, 4, 5, 8, 10, 20, 25, 40, 50, 100, 1000):
        grid = timestep_grid(1000, count)
        assert len(grid) == count
        assert len(set(np.diff(grid))) <= 1
        assert min(grid) >= 0
        assert max(grid) < 1000


@pytest.mark.parametrize("count", [3, 7, 30, 0, -5, 1001])
def test_inexact_timestep_grid_is_refused(count: int) -> None:
    """Law: A grid of timesteps that would be inexact is refused."""
    with pytest.raises(SettingsError, match="choose one of"):
        timestep_grid(1000, count)


def test_draws_are_stratified_over_time_and_antithetic() -> None:
    model = LinearModel()
    draws = stratified_draws(model, 20, seed=1, purpose="unlearning")
    assert torch.equal(draws.timesteps[::2], draws.timesteps[1::2])
    tenths = (draws.timesteps[::2] // 10).tolist()
    assert sorted(tenths) == list(range(10))  # one in each tenth of 100
    assert {tenth // 5 for tenth in tenths[:2]} == {0, 1}  # the first ones are spread too
    assert torch.equal(draws.noise[::2], -draws.noise[1::2])
    again = stratified_draws(model, 20, seed=1, purpose="unlearning")
    assert torch.equal(draws.noise, again.noise)
    held_out = stratified_draws(model, 20, seed=1, purpose="calibration")
    assert not torch.equal(draws.noise, held_out.noise)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_draws_that_cannot_be_paired_are_refused(count: int) -> None:
    with pytest.raises(SettingsError):
        stratified_draws(LinearModel(), count, seed=0, purpose="unlearning")
