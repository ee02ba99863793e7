"""Laws of parts that lie off the device until they are called, as far as a CPU shows them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from attribution.errors import SettingsError
from attribution.models import denoiser_model
from attribution.models.base import open_model
from attribution.models.offload import VARIABLE, Offloaded, ask_to_offload, is_offloaded
from attribution.workspace.workspace import Workspace
from precompute.__main__ import main as precompute
from tests.conftest import Foreign
from tests.worlds.families import make_flux, make_pixart, make_sd3, make_sdxl

AWAY = torch.device("cuda:0")  # where nothing is sent in these tests


class Watched(nn.Module):
    """A part that writes down where it is sent and when it is called; given nothing it fails."""

    def __init__(self) -> None:
        super().__init__()
        self.config, self.said = "its own", list[str]()

    def to(self, device: torch.device) -> Watched:  # type: ignore[override]
        self.said.append(device.type)
        return self

    def forward(self, given: Tensor) -> Tensor:
        self.said.append("called")
        return given + 1

    def encode(self, given: Tensor, by: int = 1) -> Tensor:
        self.said.append("encodes")
        return given * by

    def decode(self, given: Tensor | None) -> Tensor:
        if given is None:
            raise torch.OutOfMemoryError
        return given


def test_a_part_is_on_the_device_only_while_it_is_called() -> None:
    """Law: An offloaded part comes to the device for each call and goes home after it, failed or not."""
    watched = Watched()
    part = Offloaded(watched, AWAY)
    assert watched.said == ["cpu"]
    one = torch.ones(2)
    assert torch.equal(part(one), one + 1)
    assert torch.equal(part.encode(one, by=3), 3 * one)
    assert watched.said == ["cpu", "cuda", "called", "cpu", "cuda", "encodes", "cpu"]
    with pytest.raises(torch.OutOfMemoryError):
        part.decode(None)
    assert watched.said[-2:] == ["cuda", "cpu"]
    assert part.config == "its own"


def test_two_threads_do_not_send_a_part_home_under_each_other() -> None:
    """Law: An offloaded part is called by one thread at a time."""
    watched, inside, most = Watched(), 0, 0

    def slow(given: Tensor) -> Tensor:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        threading.Event().wait(0.01)
        inside -= 1
        return given

    watched.forward = slow  # type: ignore[method-assign]
    part = Offloaded(watched, AWAY)
    threads = [threading.Thread(target=part, args=(torch.ones(1),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert watched.said == ["cpu", *["cuda", "cpu"] * 8]


def flattened(values: Iterable[Any]) -> Iterator[Any]:
    """What a model holds, also in its lists."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from flattened(value)
        else:
            yield value


@pytest.mark.parametrize("make", [None, make_sdxl, make_pixart, make_sd3, make_flux])
def test_an_offloaded_model_says_what_it_says_else(
    tmp_path: Path, foreign_pipeline: Path, monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    """Law: Of every family, offloading changes no number, and only the denoiser stays on the device."""
    folder = foreign_pipeline if make is None else make(tmp_path / "model")
    plain = open_model(folder)
    monkeypatch.setattr(denoiser_model, "is_offloaded", lambda device: True)
    model = open_model(folder)
    held = list(flattened(vars(model).values()))
    assert sum(isinstance(each, Offloaded) for each in held) >= 2, "autoencoder and text encoders"
    assert [each for each in held if isinstance(each, nn.Module)] == [model.denoiser]
    picture = Image.new("RGB", (model.resolution, model.resolution), "teal")
    assert torch.equal(model.encode_images([picture]), plain.encode_images([picture]))
    told, expected = (each.encode_captions(["a red square", ""]) for each in (model, plain))
    leaves, others = list[Tensor](), list[Tensor]()
    told.map(lambda leaf: leaves.append(leaf) or leaf)  # type: ignore[func-returns-value]
    expected.map(lambda leaf: others.append(leaf) or leaf)  # type: ignore[func-returns-value]
    assert all(torch.equal(one, other) for one, other in zip(leaves, others, strict=True))
    assert model.fingerprint == plain.fingerprint


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_what_lies_at_home_takes_no_memory_of_a_gpu(
    foreign_pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    model: Any = open_model(foreign_pipeline, "cuda")
    before = torch.cuda.memory_allocated()
    told = model.encode_captions(["a red square"])
    assert told.tokens.is_cuda
    assert torch.cuda.memory_allocated() - before < 2 * told.tokens.nbytes + 2**10
    assert {each.device.type for each in model.denoiser.parameters()} == {"cuda"}


def test_without_a_gpu_there_is_nothing_to_offload(
    foreign_world: Foreign, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law: To offload on a CPU is refused in a word, by every command that has the flag."""
    from app.__main__ import arguments, begin
    from attribution.__main__ import main as ask

    monkeypatch.delenv(VARIABLE, raising=False)
    folder = str(foreign_world.workspace)
    picture = str(foreign_world.dataset / "pictures" / "000.png")
    words = "error: there is nothing to take off a GPU with --device cpu: leave out --offload"
    for command, given in (
        (precompute, ["losses", "--workspace", folder]),
        (ask, [picture, "--caption", "a square", "--workspace", folder]),
    ):
        assert command([*given, "--offload"]) == 2
        assert capsys.readouterr().err.startswith(words)
    with pytest.raises(SettingsError, match="nothing to take off"):
        begin(arguments(["--workspace", folder, "--offload"]))
    with pytest.raises(SettingsError, match="nothing to take off"):
        ask_to_offload("cpu")
    assert not is_offloaded("cpu"), "what was refused is not remembered"


def test_by_the_environment_it_is_refused_where_a_model_is_opened(
    foreign_world: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    workspace = Workspace.open(foreign_world.workspace)
    with pytest.raises(SettingsError, match=rf"leave out --offload \(or {VARIABLE}\)"):
        workspace.model  # noqa: B018
    assert is_offloaded("cuda")
    monkeypatch.setenv(VARIABLE, "yes")
    with pytest.raises(SettingsError, match=f"{VARIABLE}=yes is not known: set it to 1"):
        is_offloaded("cuda")
