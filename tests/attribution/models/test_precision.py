"""Laws of denoisers that compute in half precision."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from attribution.models.base import Objective
from attribution.models.batch import Batch
from attribution.models.denoiser_model import DenoiserModel
from attribution.models.families import family_of
from attribution.models.pipeline_checks import in_folder
from attribution.models.precision import PRECISIONS
from attribution.rng import gaussian
from tests.worlds.plain_families import PLAIN, Plain

TIMES = torch.tensor([40, 500, 930])
HALVES = {"bf16": 0.08, "fp16": 0.01}  # of the size of what is rounded; Flux rounds times


def opened(folder: Path, precision: str) -> DenoiserModel:
    model = family_of(folder, in_folder(folder))(folder, "cpu", precision=PRECISIONS[precision])
    assert isinstance(model, DenoiserModel)
    return model


def distance(found: Tensor, expected: Tensor) -> float:
    """Relative to the size of what is expected."""
    return float((found - expected).norm() / expected.norm())


@pytest.fixture(scope="module", params=PLAIN)
def plain(request: pytest.FixtureRequest) -> Plain:
    return PLAIN[request.param]


@pytest.fixture(scope="module")
def folder(plain: Plain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plain.make(tmp_path_factory.mktemp("precision") / "model")


@pytest.fixture(scope="module")
def exact(folder: Path) -> DenoiserModel:
    return opened(folder, "fp32")


@pytest.fixture(scope="module")
def batch(plain: Plain, exact: DenoiserModel) -> Batch:
    latents, noise = (
        torch.stack([gaussian(1, kind, "", k, exact.latent_shape) for k in range(len(TIMES))])
        for kind in "ab"
    )
    return Batch(latents, exact.encode_captions(plain.captions), noise, TIMES)


@pytest.mark.parametrize("precision", HALVES)
def test_a_half_precise_denoiser_differs_by_rounding(
    folder: Path, exact: DenoiserModel, batch: Batch, precision: str
) -> None:
    """Law: In every family a denoiser in bf16 or fp16 gives what it gives in single precision, rounded."""
    rounded, tolerance = opened(folder, precision), HALVES[precision]
    found, expected = (each.predict(each.weights, batch) for each in (rounded, exact))
    assert found.dtype == torch.float32
    assert 0 < distance(found, expected) < tolerance
    sides = [each.loss_and_factors(each.weights, batch) for each in (rounded, exact)]
    assert distance(sides[0][0], sides[1][0]) < tolerance
    for name, factor in sides[1][1].items():
        own = sides[0][1][name].mean()
        assert own.dtype == torch.float32
        assert distance(own, factor.mean()) < 10 * tolerance, name


@pytest.mark.parametrize("precision", HALVES)
def test_captions_are_encoded_beside_a_half_precise_denoiser(
    plain: Plain, folder: Path, batch: Batch, precision: str
) -> None:
    """Law: In every family captions are encoded in single precision, whatever the denoiser computes in."""
    found, expected = opened(folder, precision).encode_captions(plain.captions), batch.conditioning
    assert found.tokens.dtype == torch.float32
    assert (found.tokens - expected.tokens).norm() <= HALVES[precision] * expected.tokens.norm()
    for name, leaf in expected.further.items():
        torch.testing.assert_close(found.further[name], leaf)


@pytest.mark.parametrize("precision", HALVES)
def test_what_is_unlearned_in_stays_in_single_precision(
    folder: Path, exact: DenoiserModel, batch: Batch, precision: str
) -> None:
    """Law: An update too small for a half precise weight still moves a half precise denoiser's layers."""
    rounded = opened(folder, precision)
    for name, weight in rounded.weights.items():
        assert torch.equal(weight, exact.weights[name])
    half = PRECISIONS[precision].dtype
    plain = {name: weight.to(half).float() for name, weight in rounded.weights.items()}
    moved = {name: weight * (1 + 2**-14) for name, weight in plain.items()}
    assert all(torch.equal(moved[name].to(half), w.to(half)) for name, w in plain.items())
    sides = [rounded._calls(each, batch.conditioning) for each in (plain, moved)]
    (name, before), after = next(iter(sides[0].items())), next(iter(sides[1].values()))
    width = rounded.weights[name].shape[1]
    inputs = batch.conditioning.tokens if rounded._reads_captions else torch.ones(1, width)
    assert not torch.equal(before(inputs), after(inputs))


def test_gradients_of_all_weights_do_not_vanish_in_fp16(
    folder: Path, exact: DenoiserModel, batch: Batch
) -> None:
    _, expected = exact.whole_gradient(batch, Objective.LOSS)
    _, found = opened(folder, "fp16").whole_gradient(batch, Objective.LOSS)
    sizes = [torch.cat([each.flatten() for each in side.values()]) for side in (found, expected)]
    assert sizes[0].dtype == torch.float32
    assert distance(*sizes) < 0.05
