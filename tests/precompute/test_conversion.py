"""Laws of converting: pickles become safetensors of the same tensors, and nothing that could run is run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from attribution.models.adapters import named_adapters
from attribution.models.base import open_model
from attribution.models.stable_diffusion import PipelineModel
from precompute.__main__ import main
from tests.worlds import adapters
from tests.worlds.single_file import single_file


class Runs:
    """What leaves a trace when it is unpickled."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.trace),)


def convert(*arguments: object) -> int:
    return main(["convert", *map(str, arguments)])


def pickled(pipeline: Path, folder: Path) -> Path:
    """The pipeline as older versions of the libraries saved it."""
    shutil.copytree(pipeline, folder)
    for path in folder.rglob("*.safetensors"):
        name = path.name.replace("safetensors", "bin")
        torch.save(load_file(path), path.with_name("pytorch_model.bin" if name == "model.bin" else name))
        path.unlink()
    torch.save({"step": 3}, folder / "optimizer.bin")
    return folder


def assert_same_weights(found: Path, expected: Path) -> None:
    one, other = open_model(found), open_model(expected)
    assert isinstance(one, PipelineModel)
    assert isinstance(other, PipelineModel)
    for part in ("unet", "vae", "text_encoder"):
        theirs = getattr(other, part).state_dict()
        ours = getattr(one, part).state_dict()
        assert set(ours) == set(theirs)
        for name, weight in theirs.items():
            torch.testing.assert_close(ours[name], weight, rtol=0, atol=0, msg=f"{part} {name}")


def test_a_pickled_pipeline_becomes_the_same_model(foreign_pipeline: Path, tmp_path: Path) -> None:
    """Law: A converted pipeline is the same model."""
    folder = pickled(foreign_pipeline, tmp_path / "pickled")
    assert convert(folder, "--out", tmp_path / "plain") == 0
    assert not [path for path in (tmp_path / "plain").rglob("*") if path.suffix == ".bin"]
    assert_same_weights(tmp_path / "plain", foreign_pipeline)


def test_pickled_adapters_become_adapters_that_are_named(foreign_pipeline: Path, tmp_path: Path) -> None:
    adapters.make_custom_diffusion(foreign_pipeline, tmp_path / "pickled", pickled=True)
    adapters.make_custom_diffusion(foreign_pipeline, tmp_path / "plain")
    assert convert(tmp_path / "pickled", "--out", tmp_path / "converted") == 0
    found, expected = (named_adapters([tmp_path / name]) for name in ("converted", "plain"))
    for one, other in zip(found, expected, strict=True):
        assert one.kind == other.kind
        assert one.path.name == other.path.name
        for name, tensor in load_file(other.path).items():
            torch.testing.assert_close(load_file(one.path)[name], tensor, rtol=0, atol=0)


def test_custom_diffusion_as_its_authors_save_it_is_what_diffusers_would_have_made(
    foreign_pipeline: Path, tmp_path: Path
) -> None:
    """Whole keys and values under the U-Net's own names, pickled, and a token beside: AbC's models."""
    adapters.make_custom_diffusion(foreign_pipeline, tmp_path / "plain")
    plain = load_file(tmp_path / "plain" / f"{adapters.WEIGHTS}.safetensors")
    own = {name.replace("processor.", "").replace("_custom_diffusion", ""): w for name, w in plain.items()}
    folder = tmp_path / "models" / "object" / "0"
    folder.mkdir(parents=True)
    torch.save(own, folder / "pytorch_custom_diffusion_weights.pt")
    torch.save(load_file(tmp_path / "plain" / "<new1>.safetensors"), folder / "<new1>.bin")
    assert convert(folder, "--out", tmp_path / "converted") == 0
    found, expected = (
        open_model(foreign_pipeline, adapters=[tmp_path / n]) for n in ("converted", "plain")
    )
    for name, weight in expected.weights.items():
        torch.testing.assert_close(found.weights[name], weight, rtol=0, atol=0)
    told = ["a <new1> bar"]
    assert found.encode_captions(told).tokens.equal(expected.encode_captions(told).tokens)


def test_a_textual_inversion_of_another_program_gets_its_token(tmp_path: Path) -> None:
    vectors = torch.randn(2, 24)
    torch.save({"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, "name": "cat", "step": 9},
               tmp_path / "cat.pt")  # fmt: skip
    assert convert(tmp_path / "cat.pt", "--out", tmp_path / "out") == 0
    assert load_file(tmp_path / "out" / "cat.safetensors")["cat"].equal(vectors)


def test_what_could_run_is_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Law: A pickle that could run code is refused, and has not run."""
    torch.save({"a.weight": torch.ones(2), "b": Runs(tmp_path / "trace")}, tmp_path / "weights.bin")
    assert convert(tmp_path / "weights.bin", "--out", tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "could run code: it is not read" in line
    assert not (tmp_path / "trace").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["weights.bin"]


@pytest.mark.parametrize("suffix", ["ckpt", "safetensors"])
def test_a_whole_model_in_one_file_becomes_a_pipeline(
    foreign_pipeline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    """Law: A model in one file becomes the pipeline that it is, by configurations of its kind."""
    path, named = tmp_path / f"model.{suffix}", single_file(foreign_pipeline)
    if suffix == "ckpt":
        torch.save({"state_dict": named, "global_step": 7}, path)
    else:
        save_file({name: tensor.contiguous() for name, tensor in named.items()}, path)
    assert convert(path, "--out", tmp_path / "out") == 2
    assert "give --config PIPELINE_FOLDER" in capsys.readouterr().err
    configuration = tmp_path / "configuration"
    shutil.copytree(foreign_pipeline, configuration, ignore=shutil.ignore_patterns("*.safetensors"))
    assert convert(path, "--out", tmp_path / "out", "--config", configuration) == 0
    assert_same_weights(tmp_path / "out", foreign_pipeline)


def test_what_cannot_be_converted_is_refused_in_one_line(
    foreign_pipeline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(torch.ones(2), tmp_path / "tensor.pt")
    torch.save({"step": 3}, tmp_path / "state.pt")
    torch.save({"empty": {}}, tmp_path / "empty.pt")
    (tmp_path / "broken.bin").write_bytes(b"x")
    save_file({"model.diffusion_model.a": torch.ones(1)}, tmp_path / "half.safetensors")
    save_file({"a.weight": torch.ones(1)}, tmp_path / "plain.safetensors")
    for name, message in {
        "tensor.pt": "no name for any tensor",
        "state.pt": "'step' is no tensor",
        "empty.pt": "it holds none",
        "broken.bin": "is damaged, or holds more than tensors",
        "plain.safetensors": "use it as it is",
        "half.safetensors": "has no VAE: give a file of the whole model",
        "absent.bin": "there is no",
    }.items():
        given = [tmp_path / name, "--out", tmp_path / "out", "--config", foreign_pipeline]
        assert convert(*given) == 2
        assert message in capsys.readouterr().err
    assert convert(foreign_pipeline, "--out", tmp_path / "out") == 2
    assert "has no weights in pickles: use it as it is" in capsys.readouterr().err
    assert convert(tmp_path / "tensor.pt", "--out", tmp_path) == 2
    assert "is there already: name a new folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
