"""Laws of every family: it predicts, is differentiated and makes pictures as the library's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from attribution.models.base import Generation, Objective, at_checkpoint, masked_mean, open_model
from attribution.models.batch import Batch
from attribution.models.denoiser_model import DenoiserModel
from attribution.rng import gaussian
from tests.worlds.plain_families import PLAIN, Plain, latents_along, noisy_at, opened

TIMES = torch.tensor([40, 500, 930])


def assert_close(found: Tensor, expected: Tensor) -> None:
    """To 1e-5 of the largest, or of 1 if all is smaller."""
    size = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * size)


@dataclass(frozen=True)
class World:
    """A tiny pipeline, opened by us and by the diffusers library."""

    folder: Path
    plain: Plain
    model: DenoiserModel
    pipeline: Any

    @property
    def denoiser(self) -> nn.Module:
        found: nn.Module = getattr(self.pipeline, self.plain.denoiser)
        return found

    def predicted(self, batch: Batch) -> Tensor:
        """By the library, from noise that its own scheduler added."""
        return self.plain.prediction(self.pipeline, *noisy_at(self.pipeline, batch), self.plain.captions)


@pytest.fixture(scope="module", params=PLAIN)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    plain = PLAIN[request.param]
    folder = plain.make(tmp_path_factory.mktemp("family") / "model")
    model = open_model(folder)
    assert isinstance(model, DenoiserModel)
    return World(folder, plain, model, opened(folder))


@pytest.fixture(scope="module")
def batch(world: World) -> Batch:
    shape = world.model.latent_shape
    latents, noise = (
        torch.stack([gaussian(1, kind, "", k, shape) for k in range(len(TIMES))]) for kind in "ab"
    )
    return Batch(latents, world.model.encode_captions(world.plain.captions), noise, TIMES)


def test_a_prediction_is_the_librarys_own(world: World, batch: Batch) -> None:
    """Law: In every family a prediction is the diffusers library's own, for the same noise, to 1e-5."""
    expected = world.predicted(batch)
    assert expected.abs().max() > 0.1
    assert_close(world.model.predict(world.model.weights, batch), expected)


def test_a_picture_takes_the_steps_of_the_librarys_own_pipeline(world: World) -> None:
    """Law: In every family each guided step of a picture is the library's own pipeline's, to 1e-5."""
    if world.plain.picture is None:
        pytest.skip("the library has no pipeline that makes pictures with it")
    for negative in ("", "a white bar") if world.plain.guided else ("",):
        made_from = Generation(world.plain.captions[0], 4, 3, 3.0, negative)
        noise = gaussian(made_from.seed, "picture", "", 0, world.model.latent_shape)[None]
        expected = latents_along(world.plain, opened(world.folder), made_from, noise)
        with torch.no_grad():
            found = [latents for _, latents, _ in world.model._denoising([made_from], None)]
        assert len(found) == len(expected) == made_from.steps
        for ours, theirs in zip(found, expected, strict=True):
            assert_close(ours, theirs)


def test_a_gradient_is_that_of_the_librarys_own_prediction(world: World, batch: Batch) -> None:
    """Law: In every family gradients, of some layers and of all, are those of the library's prediction."""
    parameters = dict(world.denoiser.named_parameters())
    for parameter in parameters.values():
        parameter.requires_grad_()
    errors = world.model.parametrisation.squared_errors(world.predicted(batch), batch)
    gradients = torch.autograd.grad(errors.mean(), list(parameters.values()), materialize_grads=True)
    expected = dict(zip(parameters, gradients, strict=True))
    world.denoiser.requires_grad_(False)
    losses, whole = world.model.whole_gradient(batch, Objective.LOSS)
    own_losses, factors = world.model.loss_and_factors(world.model.weights, batch)
    assert_close(losses, masked_mean(errors.detach(), None))
    assert_close(own_losses, losses)
    assert whole.keys() == expected.keys()
    largest = max(float(gradient.abs().max()) for gradient in gradients)
    for name, gradient in expected.items():
        torch.testing.assert_close(whole[name], gradient, rtol=1e-3, atol=1e-5 * largest)
    for name, factor in factors.items():
        assert expected[name].abs().max() > 0
        torch.testing.assert_close(factor.mean(), expected[name], rtol=1e-3, atol=1e-5 * largest)


def test_a_draw_is_the_same_beside_others(world: World, batch: Batch) -> None:
    whole = world.model.predict(world.model.weights, batch)
    for number in range(len(batch)):
        alone = world.model.predict(world.model.weights, batch[number : number + 1])
        assert_close(alone, whole[number : number + 1])


def test_other_weights_make_another_picture_and_a_checkpoint_is_read(world: World) -> None:
    """Law: In every family pictures are made with the weights given, and checkpoints are read."""
    model, made_from = world.model, Generation(world.plain.captions[1], steps=2)

    def picture(weights: Any = None) -> bytes:
        *_, last = model.generate(made_from, weights)
        assert last.image is not None
        assert last.image.size == (model.resolution, model.resolution)
        return last.image.tobytes()

    plain = picture()
    assert picture(model.weights) == plain
    assert picture({name: weight * 3 for name, weight in model.weights.items()}) != plain
    assert picture() == plain
    again = at_checkpoint(model, world.folder / world.plain.denoiser)
    assert all(torch.equal(again.weights[name], weight) for name, weight in model.weights.items())
