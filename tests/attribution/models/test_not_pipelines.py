"""Laws of what is given for a pipeline: it is told apart, and a hub is asked for weights last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from diffusers import DiffusionPipeline

from attribution.errors import ModelError
from attribution.models import pipeline_files
from attribution.models.base import open_model
from attribution.models.pipeline_checks import INDEX, in_folder
from attribution.models.pipeline_files import _of_hub, downloaded
from tests.worlds.foreign import altered, stored

LCM = "LatentConsistencyModelPipeline"
WEIGHTS = "diffusion_pytorch_model.safetensors"


def test_what_is_no_pipeline_is_told_apart(foreign_pipeline: Path, tmp_path: Path) -> None:
    """Law: A path that is no pipeline is said to be what it is, with what makes a pipeline of it."""
    whole = stored(tmp_path / "model.safetensors", "model.diffusion_model.out.0.weight")
    odd = tmp_path / "notes.txt"
    odd.write_text("x")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"x")
    state = tmp_path / "checkpoint-500"
    (state / "unet").mkdir(parents=True)
    stored(state / "unet" / WEIGHTS)
    (tmp_path / "empty").mkdir()
    cases: dict[Path, str] = {
        whole: "is one file.*precompute convert FILE --config",
        tmp_path / "model.ckpt": "is not a diffusers pipeline: give a folder",
        stored(tmp_path / "style.safetensors", "a.lora_A.weight"): "is a LoRA without the pipeline",
        stored(
            tmp_path / "one" / "pytorch_lora_weights.safetensors"
        ).parent: "has a LoRA .*give that with --model, and name it .*--adapter",
        stored(tmp_path / "two" / "learned_embeds.safetensors").parent: "has a textual inversion",
        stored(
            tmp_path / "three" / "whatever.safetensors"
        ).parent: "if whatever.safetensors is a whole model",
        state: "what a training script left.*--checkpoint NAME=FOLDER",
        foreign_pipeline / "unet": "is a part of a pipeline.*give the folder above",
        tmp_path / "empty": "is not a diffusers pipeline: give a folder",
        odd: "is a file, not a diffusers pipeline",
        broken: "is damaged",
    }
    for path, message in cases.items():
        with pytest.raises(ModelError, match=message):
            open_model(path)


def read_from(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Have configurations of the hub read from a folder."""
    patch.setattr(pipeline_files, "_of_hub", lambda name, part: in_folder(folder)(part))


def test_a_hubs_model_is_refused_before_its_weights_are_downloaded(
    foreign_pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: A model of the hub that cannot be asked is refused before its weights are downloaded."""

    def download(name: str, **wanted: Any) -> str:
        asked.append(wanted)
        return str(foreign_pipeline)

    asked: list[dict[str, Any]] = []
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(DiffusionPipeline, "download", download)
    with monkeypatch.context() as patch:
        read_from(patch, altered(foreign_pipeline, tmp_path / "lcm", index={"_class_name": LCM}))
        with pytest.raises(ModelError, match=r"some/body is a latent consistency .* pipeline"):
            open_model("some/body")
    with monkeypatch.context() as patch:
        read_from(patch, altered(foreign_pipeline, tmp_path / "labels", unet={"num_class_embeds": 3}))
        with pytest.raises(ModelError, match=r"some/body .* is told class labels"):
            open_model("some/body")
    assert asked == []
    with monkeypatch.context() as patch:
        read_from(patch, foreign_pipeline)
        assert downloaded("some/body") == foreign_pipeline
    assert asked == [{"use_safetensors": True}]


@pytest.mark.parametrize("part", [INDEX, "unet", "vae", "text_encoder", "scheduler"])
def test_a_configuration_of_the_hub_is_read_by_itself(foreign_pipeline: Path, part: str) -> None:
    # What reads the hub reads a folder of that name as well.
    found, expected = _of_hub(str(foreign_pipeline), part), in_folder(foreign_pipeline)(part)
    assert found == expected
