"""Laws of gradients with respect to all weights of the denoiser."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from attribution.errors import ModelError
from attribution.models.base import Objective, at_checkpoint, masked_mean, open_model
from attribution.models.batch import Batch
from attribution.models.stable_diffusion import PipelineModel
from attribution.rng import gaussian
from tests.worlds import foreign

TIMES = torch.tensor([100, 420, 420, 900])


@pytest.fixture(scope="module")
def model(foreign_pipeline: Path) -> PipelineModel:
    opened = open_model(foreign_pipeline)
    assert isinstance(opened, PipelineModel)
    return opened


def batch_of(model: PipelineModel, seed: int = 0) -> Batch:
    noise = [
        torch.stack([gaussian(seed, kind, "", k, model.latent_shape) for k in range(4)]) for kind in "ab"
    ]
    captions = model.encode_captions(["a red bar", "a blue square", "a red bar", "a green circle"])
    return Batch(noise[0], captions, noise[1], TIMES)


def mask_of(model: PipelineModel) -> Tensor:
    mask = torch.zeros(model.latent_shape[1:])
    mask[1:4, 2:] = 1
    return mask


def slow(
    model: PipelineModel, batch: Batch, objective: Objective, mask: Tensor | None
) -> dict[str, Tensor]:
    """Draw by draw, by backward passes on a copy of the U-Net."""
    unet = copy.deepcopy(model.unet).requires_grad_()
    for k in range(len(batch)):
        one = batch[k : k + 1]
        noisy = model.parametrisation.noisy(one)
        output = unet(noisy, one.times, encoder_hidden_states=one.conditioning.tokens).sample
        elements = {
            "loss": model.parametrisation.squared_errors(output, one),
            "squared-output": output**2,
            "mean-output": output,
        }[objective]
        inside = elements if mask is None else elements[:, :, mask.bool()]
        (inside.mean() / len(batch)).backward()
    return {name: weight.grad for name, weight in unet.named_parameters()}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("objective", Objective)
def test_a_whole_gradient_is_that_of_every_draw_by_itself(
    model: PipelineModel, objective: Objective, masked: bool
) -> None:
    """Law: A gradient over all weights is the mean of every draw's by itself, in a box too."""
    batch, mask = batch_of(model), mask_of(model) if masked else None
    losses, gradient = model.whole_gradient(batch, objective, mask)
    expected = slow(model, batch, objective, mask)
    assert {name: tuple(each.shape) for name, each in gradient.items()} == model.all_shapes
    assert set(expected) == set(gradient)
    largest = max(float(each.abs().max()) for each in expected.values())
    for name, each in expected.items():
        torch.testing.assert_close(gradient[name], each, rtol=1e-3, atol=1e-5 * largest)
    torch.testing.assert_close(losses, masked_mean(model.squared_errors(model.weights, batch), mask))


def test_on_the_selected_layers_it_is_their_gradient(model: PipelineModel) -> None:
    batch = batch_of(model)
    _, gradient = model.whole_gradient(batch, Objective.LOSS)
    _, factors = model.loss_and_factors(model.weights, batch)
    for name, factor in factors.items():
        torch.testing.assert_close(gradient[name], factor.mean(), rtol=1e-3, atol=1e-7)


def test_whole_gradients_at_once_are_those_of_each_alone(model: PipelineModel) -> None:
    """Law: Gradients over all weights may be taken at once, among losses, and write to no weight."""
    before = {name: (each.clone(), each.requires_grad) for name, each in model.unet.state_dict().items()}
    batches = [batch_of(model, seed) for seed in range(3)]
    alone = [model.whole_gradient(batch, Objective.LOSS)[1] for batch in batches]
    losses = model.squared_errors(model.weights, batches[0])

    def asked(number: int) -> bool:
        for _ in range(3):
            _, found = model.whole_gradient(batches[number], Objective.LOSS)
            if not torch.equal(losses, model.squared_errors(model.weights, batches[0])):
                return False
            if not all(torch.allclose(found[k], g, rtol=1e-3, atol=1e-6) for k, g in alone[number].items()):
                return False
        return True

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(asked, range(3)))
    for name, weight in model.unet.state_dict().items():
        assert torch.equal(weight, before[name][0])
        assert weight.grad is None
    assert not any(weight.requires_grad for weight in model.unet.parameters())


def test_a_checkpoint_is_the_model_with_other_weights(model: PipelineModel, tmp_path: Path) -> None:
    """Law: A checkpoint, in a pipeline or alone, is the same model with its U-Net's weights."""
    pipeline = foreign.make_pipeline(tmp_path / "other", seed=1)
    alone = tmp_path / "alone"
    (pipeline / "unet").rename(alone)
    (pipeline / "unet").symlink_to(alone)
    batch, first = batch_of(model), None
    for folder in (pipeline, alone):
        found = at_checkpoint(model, folder)
        assert isinstance(found, PipelineModel)
        assert found.vae is model.vae
        losses, _ = found.whole_gradient(batch, Objective.LOSS)
        first = losses if first is None else first
        assert torch.equal(losses, first)
        assert found.fingerprint == at_checkpoint(model, pipeline).fingerprint != model.fingerprint
        np.testing.assert_allclose(
            losses, masked_mean(found.squared_errors(found.weights, batch), None), rtol=1e-4
        )
    assert not torch.allclose(first, model.whole_gradient(batch, Objective.LOSS)[0])


def test_what_is_no_checkpoint_of_the_model_is_refused(model: PipelineModel, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no checkpoint"):
        at_checkpoint(model, tmp_path)
    with pytest.raises(ModelError, match="other names or shapes"):
        at_checkpoint(model, Path("tests/worlds/tiny/model"))
