"""Laws of passes that a device has too little memory for, which is played here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from attribution.models.base import Objective, open_model
from attribution.models.batch import Batch
from attribution.models.denoiser_model import DenoiserModel
from attribution.models.draws import stratified_draws
from tests.worlds.families import make_ddpm, make_flux, make_sd3, make_sdxl
from tests.worlds.plain_families import PLAIN

DRAWS = 6


def opened(folder: Path) -> DenoiserModel:
    model = open_model(folder)
    assert isinstance(model, DenoiserModel)
    return model


def draws_of(model: DenoiserModel) -> Batch:
    latent = torch.ones(1, *model.latent_shape)
    return stratified_draws(model, DRAWS, 0, "test").of(latent, model.encode_captions(["3"]))


class Device:
    """Runs out of memory beyond so many draws; counts how often, and how many draws it took at once."""

    def __init__(self, model: DenoiserModel, patch: pytest.MonkeyPatch, most: int):
        self.most, self.taken, self.refused = most, list[int](), 0
        patch.setattr(model, "_predicted", self._limited(model._predicted))

    def _limited(self, predicted: Callable[[Any, Batch], Tensor]) -> Callable[[Any, Batch], Tensor]:
        def limited(denoiser: Any, batch: Batch) -> Tensor:
            if len(batch) > self.most:
                self.refused += 1
                raise torch.OutOfMemoryError("CUDA: played")
            self.taken.append(len(batch))
            return predicted(denoiser, batch)

        return limited


def test_a_pass_that_is_too_large_is_taken_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: Where memory does not suffice, a pass is taken in parts that fit, and says the same."""
    model = opened(make_sdxl(tmp_path / "model"))
    batch = draws_of(model)
    expected = model.predict(model.weights, batch), model.loss_and_factors(model.weights, batch)
    device = Device(model, monkeypatch, most=2)
    torch.testing.assert_close(model.predict(model.weights, batch), expected[0])
    losses, factors = model.loss_and_factors(model.weights, batch)
    torch.testing.assert_close(losses, expected[1][0])
    for name, factor in expected[1][1].items():
        torch.testing.assert_close(factors[name].outputs, factor.outputs)
        torch.testing.assert_close(factors[name].inputs, factor.inputs)
    tried = device.refused
    model.predict(model.weights, batch)
    assert max(device.taken) <= 2
    assert device.refused == tried, "it is found once"


def test_gradients_of_all_weights_are_joined_by_their_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = opened(make_sdxl(tmp_path / "model"))
    batch = draws_of(model)
    losses, expected = model.whole_gradient(batch, Objective.LOSS)
    answer = model._answer

    def limited(denoiser: Any, noisy: Tensor, *told: Any) -> Tensor:
        if len(noisy) > 4:  # of six: parts of three, or of what is left
            raise torch.OutOfMemoryError("CUDA: played")
        return answer(denoiser, noisy, *told)

    monkeypatch.setattr(model, "_answer", limited)
    monkeypatch.setitem(model._budget._most, "gradient of all weights", 4)
    found = model.whole_gradient(batch, Objective.LOSS)
    torch.testing.assert_close(found[0], losses)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_computed_again_gives_the_same_gradient(name: str, tmp_path: Path) -> None:
    """Law: In every family a gradient does not depend on whether what lies between blocks is kept."""
    model = opened(PLAIN[name].make(tmp_path / "model"))
    told = model.encode_captions(PLAIN[name].captions[:1])
    batch = stratified_draws(model, 2, 0, "test").of(torch.ones(1, *model.latent_shape), told)
    losses, expected = model.loss_and_factors(model.weights, batch)
    kept = saved_bytes(model, batch)
    model._budget.recomputes = True
    found = model.loss_and_factors(model.weights, batch)
    torch.testing.assert_close(found[0], losses)
    for layer, factor in expected.items():
        torch.testing.assert_close(found[1][layer].outputs, factor.outputs)
        torch.testing.assert_close(found[1][layer].inputs, factor.inputs)
    assert saved_bytes(model, batch) < kept


def saved_bytes(model: DenoiserModel, batch: Batch) -> int:
    """What a forward pass keeps for the gradient."""
    sizes: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model.loss_and_factors(model.weights, batch)
    return sum(sizes.values())


@pytest.mark.parametrize("make", [make_ddpm, make_flux, make_sd3, make_sdxl])
def test_one_draw_that_is_too_much_is_computed_twice_before_it_is_given_up(
    make: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: What lies between blocks is given up only where one draw's gradient is too much with it."""
    model = opened(make(tmp_path / "model"))
    batch = draws_of(model)
    expected, _ = model.loss_and_factors(model.weights, batch)
    predicted = model._predicted

    def limited(denoiser: Any, part: Batch) -> Tensor:
        if torch.is_grad_enabled() and not denoiser.is_gradient_checkpointing:
            raise torch.OutOfMemoryError("CUDA: played")
        return predicted(denoiser, part)

    monkeypatch.setattr(model, "_predicted", limited)
    torch.testing.assert_close(model.loss_and_factors(model.weights, batch)[0], expected)
    assert model._budget.recomputes
    Device(model, monkeypatch, most=0)
    for work in (model.predict, model.loss_and_factors):
        with pytest.raises(torch.OutOfMemoryError):
            work(model.weights, batch)
