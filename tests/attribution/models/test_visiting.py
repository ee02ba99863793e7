"""Laws of a denoiser off the device, whose layers come to it for their calls. The device is played."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from attribution.models import denoiser_model, visiting
from attribution.models.base import Generation, Objective, open_model
from attribution.models.batch import Batch
from attribution.models.denoiser_model import DenoiserModel
from attribution.models.draws import stratified_draws
from attribution.models.offload import VARIABLE, ask_to_offload, is_denoiser_offloaded, is_offloaded
from tests.worlds.plain_families import PLAIN

MAY_READ = {
    "aten::clone",
    "aten::detach",
    "aten::alias",
}  # of a weight at home: what brings it, and names for it


class PlayedDevice(TorchDispatchMode):
    """Where copies of weights are: counts their bytes, and lets nothing be computed of a weight at home."""

    def __init__(self, model: DenoiserModel, patch: pytest.MonkeyPatch):
        super().__init__()
        there = [*model.weights.values(), *(bias for bias in model._biases.values() if bias is not None)]
        stay = {weight.untyped_storage().data_ptr() for weight in there}
        ours = [*model.denoiser.parameters(), *model.denoiser.buffers()]
        self.home = {weight.untyped_storage().data_ptr() for weight in ours} - stay
        self.most, self.visits, self.fails_at = 0, 0, 0
        self._copies = list[tuple[StorageWeakRef, int]]()
        patch.setattr(visiting, "brought", self._brought)

    def _brought(self, tensor: Tensor, device: torch.device) -> Tensor:
        self.visits += 1
        if self.visits == self.fails_at:
            raise torch.OutOfMemoryError("CUDA: played")
        copy = tensor.clone()
        self._copies.append((StorageWeakRef(copy.untyped_storage()), copy.untyped_storage().nbytes()))
        self.most = max(self.most, self.bytes())
        return copy

    def bytes(self) -> int:
        """Of the copies that are still there."""
        self._copies = [each for each in self._copies if not each[0].expired()]
        return sum(size for _, size in self._copies)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for given in tree_leaves((args, kwargs or {})):
            if isinstance(given, Tensor) and func.name().partition(".")[0] not in MAY_READ:
                assert given.untyped_storage().data_ptr() not in self.home, f"{func} of a weight at home"
        return func(*args, **(kwargs or {}))


def own_bytes(module: nn.Module) -> int:
    own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    return sum(tensor.untyped_storage().nbytes() for tensor in own)


def largest_path(module: nn.Module) -> int:
    """What a layer has, together with those around it."""
    return own_bytes(module) + max(map(largest_path, module.children()), default=0)


def opened(folder: Path, patch: pytest.MonkeyPatch, away: bool) -> DenoiserModel:
    patch.setenv("WHENCE_ENGINE", "torch")
    patch.setattr(denoiser_model, "is_denoiser_offloaded", lambda device: away)
    model = open_model(folder)
    assert isinstance(model, DenoiserModel)
    return model


def answers(model: DenoiserModel, batch: Batch) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """All that a model is asked for."""
    yield "prediction", {"": model.predict(model.weights, batch)}
    yield "errors", {"": model.squared_errors(model.weights, batch)}
    losses, factors = model.loss_and_factors(model.weights, batch)
    yield "losses", {"": losses}
    yield "outputs", {name: each.outputs for name, each in factors.items()}
    yield "inputs", {name: each.inputs for name, each in factors.items()}
    losses, gradient = model.whole_gradient(batch, Objective.LOSS)
    yield "gradient", {"losses": losses, **gradient}


def draws_of(model: DenoiserModel, caption: str) -> Batch:
    told = model.encode_captions([caption])
    return stratified_draws(model, 4, 0, "test").of(torch.ones(1, *model.latent_shape), told)


@pytest.mark.parametrize("name", PLAIN)
def test_a_denoiser_off_the_device_says_what_it_says_on_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: Of every family, a denoiser off the device changes no bit, and has one layer there at a time."""
    folder, caption = PLAIN[name].make(tmp_path / "model"), PLAIN[name].captions[0]
    plain, model = opened(folder, monkeypatch, False), opened(folder, monkeypatch, True)
    batch = draws_of(plain, caption)
    expected = dict(answers(plain, batch))
    *_, picture = plain.generate(Generation(caption, 0, 2))
    bound = largest_path(model.denoiser)
    assert 2 * bound < sum(map(own_bytes, model.denoiser.modules())), "a bound that says something"
    with PlayedDevice(model, monkeypatch) as device:
        told = draws_of(model, caption).conditioning.tokens
        assert torch.equal(told, batch.conditioning.tokens)
        for what, found in answers(model, batch):
            assert device.bytes() == 0, f"after {what} something is left"
            assert device.most <= bound, what
            assert found.keys() == expected[what].keys()
            assert all(torch.equal(found[key], expected[what][key]) for key in found), what
        *_, again = model.generate(Generation(caption, 0, 2))
        assert device.bytes() == 0
    assert again.image is not None
    assert picture.image is not None
    assert again.image.tobytes() == picture.image.tobytes()


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_computed_twice_brings_its_weights_twice(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: A denoiser off the device leaves nothing there, also where its blocks are computed twice."""
    folder, caption = PLAIN[name].make(tmp_path / "model"), PLAIN[name].captions[0]
    plain, model = opened(folder, monkeypatch, False), opened(folder, monkeypatch, True)
    batch = draws_of(plain, caption)
    plain._budget.recomputes = model._budget.recomputes = True
    losses, expected = plain.loss_and_factors(plain.weights, batch)
    with PlayedDevice(model, monkeypatch) as device:
        found = model.loss_and_factors(model.weights, batch)
        assert device.bytes() == 0
    assert device.most < sum(map(own_bytes, model.denoiser.modules()))
    assert torch.equal(found[0], losses)
    for layer, factor in expected.items():
        assert torch.equal(found[1][layer].outputs, factor.outputs)
        assert torch.equal(found[1][layer].inputs, factor.inputs)


def test_a_call_that_fails_leaves_the_denoiser_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: Where memory ends while a layer comes, it is at home again, and a smaller pass is taken."""
    folder, caption = PLAIN["SD3"].make(tmp_path / "model"), PLAIN["SD3"].captions[0]
    model = opened(folder, monkeypatch, True)
    batch = draws_of(model, caption)
    expected = model.predict(model.weights, batch)
    with PlayedDevice(model, monkeypatch) as device:
        device.fails_at = 20
        found = model.predict(model.weights, batch)
        assert device.visits > 40
        assert device.bytes() == 0
    torch.testing.assert_close(found, expected)
    assert torch.equal(model.predict(model.weights, batch), found), "in the same parts"


def test_threads_may_share_a_denoiser_that_is_off_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: Threads that ask one denoiser off the device each get what they get alone."""
    model = opened(PLAIN["SD3"].make(tmp_path / "model"), monkeypatch, True)
    batch = draws_of(model, PLAIN["SD3"].captions[0])
    alone = [model.loss_and_factors(model.weights, batch[k : k + 1])[0] for k in range(3)]
    with ThreadPoolExecutor(3) as threads:
        for _ in range(5):
            asked = threads.map(
                lambda k: model.loss_and_factors(model.weights, batch[k : k + 1])[0], range(3)
            )
            assert all(torch.equal(one, other) for one, other in zip(asked, alone, strict=True))


def test_the_denoiser_is_taken_off_by_a_flag_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")  # and back after the test
    ask_to_offload("cuda")
    assert is_offloaded("cuda")
    assert not is_denoiser_offloaded("cuda")
    ask_to_offload("cuda", "denoiser")
    assert is_offloaded("cuda")
    assert is_denoiser_offloaded("cuda")


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_gpu_it_says_what_it_says_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = PLAIN["SD3"].make(tmp_path / "model")
    plain: Any = open_model(folder, "cuda")
    monkeypatch.setenv(VARIABLE, "denoiser")
    model: Any = open_model(folder, "cuda")
    assert {each.device.type for each in model.weights.values()} == {"cuda"}
    at_home = [each for each in model.denoiser.parameters() if not each.is_cuda]
    assert len(at_home) > len(model.weights)
    batch = draws_of(plain, PLAIN["SD3"].captions[0])
    for (what, found), (_, expected) in zip(answers(model, batch), answers(plain, batch), strict=True):
        for key, value in expected.items():
            torch.testing.assert_close(found[key].cpu(), value.cpu(), msg=what)
