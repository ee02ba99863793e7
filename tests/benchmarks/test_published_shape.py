"""Laws of the scan of a model of the published shape, and of rounding it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from attribution.models.base import Weights, open_model
from attribution.models.batch import Batch, Conditioning
from attribution.models.layer_calls import LayerCall
from attribution.models.losses import Probe, example_losses
from attribution.models.stable_diffusion import PipelineModel
from attribution.workspace.workspace import Workspace
from benchmarks import published_shape
from benchmarks.compiling import CompiledByTorch
from benchmarks.published_shape import Timing, duration, refined_draws
from benchmarks.rounding import RoundedModel, open_rounded, rounding
from benchmarks.scanning import mean_losses, noise_ahead, noise_now
from benchmarks.shapes import MSCOCO, Shape, random_images, write_pipeline

MINIATURE = Shape((32, 32), 1, 4, (4, 8), 32, 24, images=6, flips=2, captions=3, timesteps=4)


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pipeline(MINIATURE, tmp_path_factory.mktemp("shape") / "model")


def test_a_pipeline_has_the_shape_that_was_asked_for(miniature: Path) -> None:
    model = open_model(miniature)
    assert model.latent_shape == (4, 8, 8)
    assert {weight.shape[1] for weight in model.weights.values()} == {32}
    assert model.encode_captions(["a cat"]).tokens.shape == (1, 24, 32)
    assert list(model.unet.config.block_out_channels) == [32, 32]  # type: ignore[attr-defined]
    images = random_images(MINIATURE, 2)
    assert len(images.ids) == len(set(images.ids)) == 2 * 2 * 3
    assert images.latents.shape == (12, 4, 8, 8)
    assert images.captions.tokens.shape == (12, 24, 32)


def test_the_published_scan_has_as_many_draws_as_the_paper_says() -> None:
    assert MSCOCO.images * MSCOCO.draws_each == 118_287 * 2 * 5 * 20
    assert refined_draws(MSCOCO) == 10_000 * 20 * 2


def test_noise_made_ahead_is_the_noise_made_now() -> None:
    probe, ids = Probe((10, 20, 30), noises=2), tuple(f"image-{k}" for k in range(11))
    with ThreadPoolExecutor(3) as pool:
        for batch in (1, 12, 30, 1_000):
            ahead = list(noise_ahead(pool, 3, probe, ids, (4, 8, 8), batch))
            now = list(noise_now(probe, ids, (4, 8, 8), batch))
            for one, other in zip(zip(*ahead, strict=True), zip(*now, strict=True), strict=True):
                np.testing.assert_array_equal(np.concatenate(one), np.concatenate(other))


def test_the_timed_scan_measures_what_the_library_measures(miniature: Path) -> None:
    model = PipelineModel(miniature, "cpu")
    images = random_images(MINIATURE, 2)
    probe = Probe((100, 500, 900), noises=2)
    found = mean_losses(model, model.weights, images, noise_now(probe, images.ids, model.latent_shape, 7))
    losses = example_losses(model, model.weights, images.latents, images.captions, images.ids, probe)
    np.testing.assert_allclose(found, losses.mean(axis=(1, 2)), rtol=1e-5)


def test_seconds_are_scaled_from_the_slice_and_what_is_fixed_is_not() -> None:
    timing = Timing(draw=0.5, alone=1.0, noise=0.1, fixed=7.0, rise=0.1, draws=10)
    assert timing.exhaustive(MINIATURE) == 7.0 + 0.5 * 6 * 2 * 3 * 4
    assert timing.refined(MINIATURE) == 7.0 + 0.5 * 6 * 4 * 2


def test_durations_are_said_in_the_unit_that_fits() -> None:
    spans = (9.84, 600, 8_000, 200_000)
    assert [duration(seconds) for seconds in spans] == ["9.8 s", "10.0 min", "2.2 h", "2.3 days"]


def test_rounding_is_measured_against_the_spread_of_scores() -> None:
    exact = np.array([0.0, 1.0, 2.0, 3.0])
    assert rounding(exact, exact).ratio == 0.0
    found = rounding(exact, exact + 0.5)
    assert found.error == pytest.approx(0.5)
    assert found.ratio == pytest.approx(0.5 / exact.std())
    assert found.spearman == pytest.approx(1.0)
    assert rounding(exact, -exact).spearman == pytest.approx(-1.0)


def test_a_rounded_model_projects_keys_and_values_in_single_precision(miniature: Path) -> None:
    exact, rounded = PipelineModel(miniature, "cpu"), RoundedModel(miniature, "cpu")
    images = random_images(MINIATURE, 1)
    seen: set[torch.dtype] = set()
    calls_of = rounded._calls

    def spy(weights: Weights, captions: Conditioning) -> Mapping[str, LayerCall]:
        calls = calls_of(weights, captions)
        seen.update(output.dtype for call in calls.values() for output in call.outputs)
        return calls

    rounded._calls = spy  # type: ignore[method-assign]
    noise, times = torch.ones_like(images.latents), torch.full((6,), 500)
    batch = Batch(images.latents, images.captions, noise, times)
    sides = [model.squared_errors(model.weights, batch) for model in (exact, rounded)]
    assert seen == {torch.float32}
    assert sides[1].dtype == torch.float32
    assert 0 < float((sides[0] - sides[1]).abs().max()) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_torch_compiles_predicts_what_it_runs(miniature: Path, precision: str) -> None:
    exact = open_rounded(miniature, "cpu", precision)
    found = CompiledByTorch(miniature, "cpu", precision, backend="eager")
    images = random_images(MINIATURE, 1)
    noise, times = torch.ones_like(images.latents), torch.full((6,), 500)
    batch = Batch(images.latents, images.captions, noise, times)
    for weights in (exact.weights, {name: 1.5 * weight for name, weight in exact.weights.items()}):
        sides = [model.squared_errors(weights, batch) for model in (exact, found)]
        tolerance = 1e-5 if precision == "fp32" else 0.1
        assert float((sides[0] - sides[1]).norm() / sides[0].norm()) < tolerance


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


@pytest.mark.slow
def test_the_published_shape_in_miniature(
    miniature: Path, tiny_world: Workspace, pool: ThreadPoolExecutor
) -> None:
    given = {"device": "cpu", "slice": 2, "rounds": 1, "precision": "bf16", "batch_size": 16, "rounded": 3}
    options = argparse.Namespace(
        **given,
        compile=False,
        noise_processes=1,
        cache=miniature,
        workspace=tiny_world.folder,
        threads=None,
    )
    report = published_shape.benchmark(MINIATURE, options, pool)
    assert report.figures["timing"]["draws"] == 2 * MINIATURE.draws_each
    assert report.figures["timing"]["rise"] == pytest.approx(0.10, abs=0.0101)
    assert "**scaled**" in report.markdown
    assert "Against fp32, bf16 moves scores by" in report.markdown
    json.dumps(report.figures)
