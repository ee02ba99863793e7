"""Laws of the compiled denoiser: it gives what torch gives, or torch is asked."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from attribution.engine import attribute
from attribution.errors import ModelError, SettingsError
from attribution.models import compiled, compiled_files, engine_setting, engines
from attribution.models.batch import Batch
from attribution.models.draws import Probe, probe_draws
from attribution.models.engine_setting import (
    AUTO,
    OPENVINO,
    TORCH,
    engine_asked_for,
    engine_set_to,
    engine_version,
)
from attribution.models.layers import CROSS_ATTENTION_KV
from attribution.models.stable_diffusion import PipelineModel
from attribution.results import Attribution
from attribution.rng import gaussian
from attribution.workspace.workspace import Workspace
from tests.worlds import TINY
from tests.worlds.queries import query_of
from tests.worlds.settings import quick as quick_settings

FOLDER = TINY / "model"
ROUNDING = 2e-5


def opened(setting: str, layers: str = CROSS_ATTENTION_KV, folder: Path = FOLDER) -> PipelineModel:
    with engine_set_to(setting):
        return PipelineModel(folder, "cpu", layers)


@pytest.fixture(scope="module")
def exact() -> PipelineModel:
    return opened(TORCH)


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of this file's own, so that the first test compiles and later ones read."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("WHENCE_CACHE", str(folder))
        yield folder / "compiled"


@pytest.fixture(scope="module")
def quick(cache: Path) -> PipelineModel:
    return opened(OPENVINO)


def draws_of(model: PipelineModel, count: int = 20) -> Batch:
    """Draws at two times of some pictures each with a caption of its own."""
    pictures = count // 2
    latents = torch.stack([gaussian(0, "test", "latent", k, model.latent_shape) for k in range(pictures)])
    captions = model.encode_captions([f"a dog and {k} cats" for k in range(pictures)])
    ids = [f"image-{k}" for k in range(pictures)]
    (draws,) = probe_draws(Probe((100, 800), 1), [0], ids, model.latent_shape, count)
    return draws.of(latents, captions)


def changed(model: PipelineModel) -> dict[str, torch.Tensor]:
    return {
        name: weight + 0.1 * weight.std() * gaussian(1, "test", name, 0, weight.shape)
        for name, weight in model.weights.items()
    }


def test_a_compiled_denoiser_gives_the_losses_of_torch_under_any_weights(
    exact: PipelineModel, quick: PipelineModel
) -> None:
    """Law: A compiled denoiser gives the losses that torch gives, to rounding, under any weights."""
    batch = draws_of(exact)
    for weights in (exact.weights, changed(exact)):
        torch.testing.assert_close(
            quick.squared_errors(weights, batch).mean(dim=(1, 2, 3)),
            exact.squared_errors(weights, batch).mean(dim=(1, 2, 3)),
            rtol=ROUNDING,
            atol=0,
        )
    assert (quick.engine, exact.engine) == (engine_version(OPENVINO), engine_version(TORCH))
    assert "openvino_telemetry" not in {name for name, module in sys.modules.items() if module}


def test_a_draw_is_the_same_to_the_bit_in_any_batch(quick: PipelineModel) -> None:
    """Law: By a compiled denoiser, a draw's loss is the same to the bit in any batch and any order."""
    batch, weights = draws_of(quick, 34), changed(quick)
    whole = quick.squared_errors(weights, batch)
    for size in (1, 5, 16, 33):
        parts = [batch[slice(start, start + size)] for start in range(0, len(batch), size)]
        assert torch.equal(torch.cat([quick.squared_errors(weights, part) for part in parts]), whole)
    backwards = torch.arange(len(batch) - 1, -1, -1)
    assert torch.equal(quick.squared_errors(weights, batch[backwards]), whole[backwards])


def test_threads_may_share_a_compiled_denoiser(cache: Path) -> None:
    """Law: Callers at once, each with weights of their own, get what each would get alone."""
    model = opened(OPENVINO)
    batch, sides = draws_of(model), [model.weights, changed(model)]
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(model.squared_errors, sides[k % 2], batch) for k in range(12)]
        found = [each.result() for each in waiting]
    alone = [model.squared_errors(side, batch) for side in sides]
    assert all(torch.equal(each, alone[k % 2]) for k, each in enumerate(found))


def test_it_computes_in_single_precision_even_where_the_machine_has_less(quick: PipelineModel) -> None:
    quick.squared_errors(quick.weights, draws_of(quick, 2))
    found = quick._engine._compiled
    assert found is not None
    assert found._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"


def test_weights_that_are_not_finite_give_losses_that_are_not(quick: PipelineModel) -> None:
    broken = {name: torch.full_like(weight, torch.nan) for name, weight in quick.weights.items()}
    assert not quick.squared_errors(broken, draws_of(quick, 2)).isfinite().any()


def test_captions_of_another_length_are_left_to_torch(exact: PipelineModel, quick: PipelineModel) -> None:
    quick.squared_errors(quick.weights, draws_of(quick, 2))
    batch = draws_of(exact, 2)
    shorter = batch.conditioning.map(lambda leaf: leaf[:, :5])
    batch = Batch(batch.latents, shorter, batch.noise, batch.times)
    found = quick.squared_errors(quick.weights, batch)
    assert torch.equal(found, exact.squared_errors(exact.weights, batch))


def test_gradients_and_pictures_are_of_torch(exact: PipelineModel, quick: PipelineModel) -> None:
    """Law: Gradients come from torch, whatever engine measures losses."""
    batch = draws_of(exact, 4)
    _, expected = exact.loss_and_factors(exact.weights, batch)
    _, found = quick.loss_and_factors(quick.weights, batch)
    assert all(torch.equal(found[name].outputs, expected[name].outputs) for name in expected)


def test_what_was_compiled_is_read_by_the_next_process(
    cache: Path, quick: PipelineModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = draws_of(quick)
    expected = quick.squared_errors(quick.weights, batch)
    monkeypatch.setattr(compiled, "_graph", lambda *_: pytest.fail("compiled again"))
    assert torch.equal(opened(OPENVINO).squared_errors(quick.weights, batch), expected)


def test_a_broken_cache_is_compiled_again(cache: Path, quick: PipelineModel) -> None:
    """Law: A broken file in the cache of compiled denoisers is never used."""
    batch = draws_of(quick)
    expected = quick.squared_errors(quick.weights, batch)
    (file,) = cache.glob("*.bin")
    whole = file.read_bytes()
    for broken in (b"", whole[:31], whole[: len(whole) // 2], whole[:-1] + b"?"):
        file.write_bytes(broken)
        assert compiled_files.CompiledFile(file).read() is None
    assert torch.equal(opened(OPENVINO).squared_errors(quick.weights, batch), expected)
    assert compiled_files.CompiledFile(file).read() is not None


def test_other_weights_have_a_file_of_their_own(exact: PipelineModel) -> None:
    """Law: A compiled denoiser is met by no other model and no other version."""
    name = compiled_files.CompiledFile.of(exact.unet, []).path.name
    assert compiled_files.CompiledFile.of(exact.unet, []).path.name == name
    assert compiled_files.CompiledFile.of(exact.unet, ["another version"]).path.name != name
    other = opened(TORCH).unet
    with torch.no_grad():
        other.conv_in.bias += 1e-3
    assert compiled_files.CompiledFile.of(other, []).path.name != name


def test_the_cache_keeps_a_few_files_and_may_be_a_place_that_cannot_be_written(
    tmp_path: Path,
) -> None:
    for k in range(compiled_files.KEPT + 3):
        compiled_files.CompiledFile(tmp_path / "compiled" / f"{k}.bin").write(b"x" * k)
    assert len(list((tmp_path / "compiled").iterdir())) == compiled_files.KEPT
    (tmp_path / "file").write_text("in the way")
    compiled_files.CompiledFile(tmp_path / "file" / "1.bin").write(b"x")
    assert compiled_files.CompiledFile(tmp_path / "file" / "1.bin").read() is None


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "whence"]


def test_torch_is_asked_where_the_compiled_denoiser_does_not_agree(
    exact: PipelineModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Law: Torch is asked where a compiled denoiser does not agree with it, and the log says so."""
    right = compiled.CompiledDenoiser.__call__
    monkeypatch.setattr(
        compiled.CompiledDenoiser, "__call__", lambda self, given: 1.001 * right(self, given)
    )
    batch = draws_of(exact)
    with caplog.at_level(logging.INFO, "whence"):
        model = opened(AUTO)
        assert torch.equal(
            model.squared_errors(exact.weights, batch), exact.squared_errors(exact.weights, batch)
        )
    assert model.engine.startswith("torch ")
    assert "differ by 1.0e-03" in refusals(caplog)[-1]
    with pytest.raises(ModelError, match="WHENCE_ENGINE=openvino cannot be had: its predictions differ"):
        opened(OPENVINO).squared_errors(exact.weights, batch)


def test_torch_is_asked_where_the_denoiser_cannot_be_compiled(
    exact: PipelineModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no such operation\nand more")

    monkeypatch.setattr(compiled, "compiled", fails)
    batch = draws_of(exact, 4)
    with caplog.at_level(logging.INFO, "whence"):
        found = opened(AUTO).squared_errors(exact.weights, batch)
    assert torch.equal(found, exact.squared_errors(exact.weights, batch))
    assert refusals(caplog)[-1].endswith("the denoiser could not be compiled (no such operation)")


def test_torch_is_asked_where_there_is_no_compiler(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for module in (engines, engine_setting):
        monkeypatch.setattr(module, "openvino_is_installed", lambda: False)
    with caplog.at_level(logging.INFO, "whence"):
        assert opened(AUTO).engine.startswith("torch ")
    assert refusals(caplog)[-1].endswith("it is not installed")
    with engine_set_to(AUTO):
        assert engine_asked_for("cpu").startswith("torch ")
    with pytest.raises(ModelError, match="it is not installed; choose auto or torch"):
        opened(OPENVINO)


def test_layers_that_read_more_than_captions_are_left_to_torch() -> None:
    assert opened(AUTO, "cross-attention").engine.startswith("torch ")
    with pytest.raises(ModelError, match="read more than captions"):
        opened(OPENVINO, "cross-attention")


def test_a_large_denoiser_is_copied_only_if_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "LARGEST", 1000)
    assert opened(AUTO).engine.startswith("torch ")
    assert opened(OPENVINO).engine == engine_version(OPENVINO)


def test_an_engine_that_is_not_known_is_refused() -> None:
    with pytest.raises(SettingsError, match="WHENCE_ENGINE=abacus is not known: choose one of auto, torch"):
        opened("abacus")


def test_a_velocity_model_with_other_sizes_is_compiled_too(foreign_pipeline: Path) -> None:
    exact, quick = opened(TORCH, folder=foreign_pipeline), opened(OPENVINO, folder=foreign_pipeline)
    batch = draws_of(exact, 6)
    torch.testing.assert_close(
        quick.squared_errors(exact.weights, batch).mean(dim=(1, 2, 3)),
        exact.squared_errors(exact.weights, batch).mean(dim=(1, 2, 3)),
        rtol=ROUNDING,
        atol=0,
    )


def test_an_answer_says_which_engine_measured(tiny_world: Workspace) -> None:
    """Law: An answer says which engine measured losses, and with which version."""
    settings = quick_settings({"draws": 8, "calibration_draws": 4}, candidates=6, batch_size=32)
    for setting, name in ((OPENVINO, engine_version(OPENVINO)), (TORCH, engine_version(TORCH))):
        with engine_set_to(setting):
            world = Workspace.open(tiny_world.folder)
            *_, answer = attribute(world, query_of(world, 3), ["abu"], settings)
        assert isinstance(answer, Attribution)
        assert answer.fingerprints["engine"] == name
        assert "engine" not in Workspace.open(tiny_world.folder).provenance
