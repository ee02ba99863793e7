"""Laws of Fisher information, curvature and gradients of layers that read more than captions."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from attribution.errors import SettingsError
from attribution.gradients.curvature import (
    INPUTS,
    EigenKronecker,
    eigenbases,
    eigenvalue_chunk,
    inputs_of,
    kronecker_chunk,
)
from attribution.gradients.fisher import fisher_chunk, mean_of_chunks
from attribution.gradients.per_example import example_gradients, gradient_factors
from attribution.gradients.projection import Sketch, sketched_gradients
from attribution.models.base import open_model
from attribution.models.batch import Batch, Conditioning
from attribution.models.draws import Probe
from attribution.models.layers import SELECTORS
from attribution.models.losses import example_losses
from attribution.models.stable_diffusion import PipelineModel
from attribution.rng import gaussian, generator

IDS = ("one", "two", "three")
WORDS = ["a red square", "a blue bar", "a green circle"]
DRAWS, SEED = 2, 3
PROBE = Probe((150, 700), noises=2)


@dataclasses.dataclass(frozen=True)
class World:
    """A pipeline opened with some layers, and the tensors of a few examples."""

    model: PipelineModel
    latents: Tensor
    captions: Conditioning

    @property
    def given(self) -> tuple[PipelineModel, Tensor, Conditioning, tuple[str, ...]]:
        return self.model, self.latents, self.captions, IDS


@pytest.fixture(scope="module")
def folder(foreign_pipeline: Path) -> Path:
    return foreign_pipeline


def opened(folder: Path, layers: str) -> World:
    model = open_model(folder, layers=layers)
    assert isinstance(model, PipelineModel)
    latents = torch.stack([gaussian(0, "latents", name, 0, model.latent_shape) for name in IDS])
    return World(model, latents, model.encode_captions(WORDS))


@pytest.fixture(scope="module", params=["cross-attention", "all-linear"])
def world(request: pytest.FixtureRequest, folder: Path) -> World:
    return opened(folder, request.param)


def plain_gradient(model: PipelineModel, draw: Batch) -> dict[str, Tensor]:
    """Of one draw's loss, by autograd through the denoiser itself."""
    noisy, tokens = model.parametrisation.noisy(draw), draw.conditioning.tokens
    weights = {name: weight.clone().requires_grad_() for name, weight in model.weights.items()}
    out = functional_call(
        model.unet, weights, (noisy, draw.times), {"encoder_hidden_states": tokens}
    ).sample
    loss = (out - model.parametrisation.target(draw)).square().mean()
    return dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))


def plain_draws(world: World) -> list[Batch]:
    """The draws of the Fisher information, one at a time."""
    drawn = []
    for row, name in enumerate(IDS):
        for draw in range(DRAWS):
            place = (draw + generator(SEED, "fisher-t", name, draw).random()) / DRAWS
            time = int(place * world.model.num_train_timesteps)
            noise = gaussian(SEED, "fisher", name, draw, world.model.latent_shape)[None]
            latent, caption = world.latents[row : row + 1], world.captions[row : row + 1]
            drawn.append(Batch(latent, caption, noise, torch.tensor([time])))
    return drawn


def test_fisher_of_a_selector_equals_a_plain_loop(world: World) -> None:
    fast = mean_of_chunks([fisher_chunk(*world.given, DRAWS, SEED, batch_size=4)])
    gradients = [plain_gradient(world.model, draw) for draw in plain_draws(world)]
    assert fast.keys() == world.model.weights.keys()
    for name, value in fast.items():
        slow = torch.stack([gradient[name].double() ** 2 for gradient in gradients]).mean(dim=0)
        torch.testing.assert_close(value, slow, rtol=5e-3, atol=1e-6 * float(slow.max()))


def test_each_layer_has_a_basis_of_its_own_inputs_and_eigenvalues_in_it(world: World) -> None:
    bases = eigenbases(mean_of_chunks([kronecker_chunk(*world.given, DRAWS, SEED)]))
    names = world.model.weights.keys()
    assert bases.keys() == {*names, *map(inputs_of, names)}
    values = mean_of_chunks([eigenvalue_chunk(*world.given, DRAWS, SEED, bases, batch_size=4)])
    gradients = [plain_gradient(world.model, draw) for draw in plain_draws(world)]
    curvature = EigenKronecker(bases, values, damping=0.1)
    for name in names:
        rotated = [bases[name].T @ gradient[name] @ bases[inputs_of(name)] for gradient in gradients]
        slow = torch.stack(rotated).double().square().mean(dim=0)
        torch.testing.assert_close(values[name], slow, rtol=1e-2, atol=1e-4 * float(slow.max()))
    one, other = ({n: g[None].double() for n, g in gradients[k].items()} for k in (0, 1))
    a, b, inverse = curvature.whitened(one), curvature.whitened(other), curvature.inverse(other)
    for name in names:
        expected = float((one[name] * inverse[name]).sum())
        size = float(a[name].norm() * b[name].norm())
        assert float((a[name] * b[name]).sum()) == pytest.approx(expected, abs=1e-4 * size)


def test_a_model_whose_layers_read_captions_has_one_basis_of_inputs(folder: Path) -> None:
    world = opened(folder, "cross-attention-kv")
    sums = kronecker_chunk(*world.given, DRAWS, SEED)
    assert sums.values.keys() == {*world.model.weights, INPUTS}


def test_an_examples_gradient_is_that_of_its_mean_loss(world: World) -> None:
    """By differences along a direction, for every selector; and whatever the batch."""
    (whole,) = example_gradients(*world.given, PROBE)
    (parts,) = example_gradients(*world.given, PROBE, batch_size=3)
    rng = torch.Generator().manual_seed(0)
    direction = {n: torch.randn(w.shape, generator=rng) for n, w in world.model.weights.items()}
    step = 1e-3
    up, down = (
        {n: w + sign * step * direction[n] for n, w in world.model.weights.items()} for sign in (1, -1)
    )
    losses = [
        example_losses(world.model, weights, world.latents, world.captions, IDS, PROBE).mean(axis=(1, 2))
        for weights in (up, down)
    ]
    slopes = (losses[0].astype(float) - losses[1]) / (2 * step)
    products = sum((whole[n] * direction[n].double()).sum(dim=(1, 2)) for n in whole)
    assert isinstance(products, Tensor)
    np.testing.assert_allclose(products.numpy(), slopes, rtol=2e-2, atol=2e-2 * np.abs(slopes).max())
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-3, atol=1e-5 * float(gradient.max()))


def test_gradients_added_up_draw_by_draw_are_those_of_factors(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = opened(folder, "cross-attention-kv")
    (from_factors,) = example_gradients(*world.given, PROBE)
    general = dataclasses.replace(SELECTORS["cross-attention-kv"], reads_captions=False)
    monkeypatch.setitem(SELECTORS, general.name, general)
    (added_up,) = example_gradients(*world.given, PROBE)
    for name, gradient in from_factors.items():
        torch.testing.assert_close(added_up[name], gradient, rtol=1e-3, atol=1e-5 * float(gradient.max()))


def test_gradients_of_any_selector_can_be_sketched(world: World) -> None:
    shapes = {name: (weight.shape[0], weight.shape[1]) for name, weight in world.model.weights.items()}
    fisher = mean_of_chunks([fisher_chunk(*world.given, DRAWS, SEED)])
    bases = {name: torch.eye(weight.shape[0]) for name, weight in world.model.weights.items()}
    bases |= {inputs_of(name): torch.eye(weight.shape[1]) for name, weight in world.model.weights.items()}
    curvature = EigenKronecker(bases, fisher, damping=0.1)
    vectors = sketched_gradients(example_gradients(*world.given, PROBE), curvature, Sketch(256, 0, shapes))
    assert vectors.shape == (len(IDS), 256)
    assert torch.isfinite(vectors).all()


def test_layers_that_read_more_than_captions_have_no_factors_over_all_draws(world: World) -> None:
    with pytest.raises(SettingsError, match=world.model.layers):
        gradient_factors(*world.given, PROBE)
