"""Laws of models that cannot be asked: refused by name, with what to do, before a weight is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    DDPMScheduler,
    EDMEulerScheduler,
    FlowMatchEulerDiscreteScheduler,
    LCMScheduler,
    SchedulerMixin,
    TCDScheduler,
)
from safetensors.torch import load_file, save_file

from attribution.errors import ModelError
from attribution.models.base import at_checkpoint, open_model
from precompute.__main__ import main as precompute
from tests.worlds.foreign import altered, make_training_set, stored

WEIGHTS = "diffusion_pytorch_model.safetensors"
CLASSES = {
    "StableDiffusionXLControlNetPipeline": "another Stable Diffusion XL pipeline",
    "StableDiffusion3ControlNetPipeline": "another Stable Diffusion 3 pipeline",
    "StableDiffusionInstructPix2PixPipeline": "an InstructPix2Pix pipeline",
    "StableDiffusionControlNetPipeline": "another Stable Diffusion pipeline",
    "LatentConsistencyModelPipeline": "a latent consistency",
    "FluxFillPipeline": "another Flux pipeline",
    "ChromaPipeline": "another pipeline .*, which cannot be asked: give one of .*Stable Diffusion XL",
    "KandinskyPipeline": "a Kandinsky pipeline",
    "IFPipeline": "a DeepFloyd IF pipeline",
    "LDMPipeline": "an unconditional latent diffusion",
    "MyPipeline": 'of its own, MyPipeline.*write "_class_name"',
}
CONFIGURATIONS: list[tuple[str, dict[str, Any], str]] = [
    ("unet", {"in_channels": 9}, r"9 channels \(inpainting\).*give the text-to-image model"),
    ("unet", {"in_channels": 8}, r"8 channels \(InstructPix2Pix\)"),
    ("unet", {"out_channels": 6}, "predicts its variance"),
    ("unet", {"time_cond_proj_dim": 256}, "guidance embedding.*distilled from"),
    ("unet", {"class_embed_type": "timestep"}, "class labels"),
    ("unet", {"num_class_embeds": 10}, "class labels"),
    (
        "unet",
        {"addition_embed_type": "text_time"},
        "as Stable Diffusion XL is: .*StableDiffusionXLPipeline",
    ),
    ("unet", {"encoder_hid_dim_type": "ip_image_proj"}, "IP-Adapter.*unload_ip_adapter"),
    ("unet", {"sample_size": None}, "does not say how large.*write the side"),
    ("unet", {"sample_size": [8, 6]}, "only square pictures.*write one number"),
    ("unet", {"attention_type": "gated"}, "in a way that is not known"),
    ("unet", {"cross_attention_norm": "layer_norm"}, "cross_attention_norm"),
    ("unet", {"cross_attention_dim": 32}, "vectors of 24 .* takes vectors of 32"),
    ("text_encoder", {"use_attention_mask": True}, "give a pipeline with a CLIPTextModel"),
    ("text_encoder", {"architectures": ["CLIPTextModelWithProjection"]}, "one vector of a caption"),
    ("index", {"text_encoder": [None, None]}, "it has no text_encoder"),
    ("index", {"vae": ["diffusers", "VQModel"]}, "VQModel for its vae.*only AutoencoderKL or"),
]


def without_weights(folder: Path) -> Path:
    """The configurations alone."""
    for path in folder.rglob("*.safetensors"):
        path.unlink()
    return folder


@pytest.mark.parametrize(
    ("part", "values", "message"),
    [("index", {"_class_name": name}, words) for name, words in CLASSES.items()] + CONFIGURATIONS,
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_asked_is_refused_by_its_configuration_alone(
    foreign_pipeline: Path, tmp_path: Path, part: str, values: dict[str, Any], message: str
) -> None:
    """Law: A model that cannot be asked is refused in one line, by its configuration alone."""
    folder = without_weights(altered(foreign_pipeline, tmp_path / "model", **{part: values}))
    with pytest.raises(ModelError, match=message) as refused:
        open_model(folder)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        (EDMEulerScheduler(), "continuous noise levels"),
        (FlowMatchEulerDiscreteScheduler(), "flow matching"),
        (LCMScheduler(), "distilled"),
        (TCDScheduler(), "distilled"),
        (DDPMScheduler(prediction_type="sample"), "predicts 'sample'"),
        (DDPMScheduler(rescale_betas_zero_snr=True), "pure noise"),
    ],
)
def test_a_scheduler_of_another_training_is_refused_without_weights(
    foreign_pipeline: Path, tmp_path: Path, scheduler: SchedulerMixin, message: str
) -> None:
    folder = without_weights(altered(foreign_pipeline, tmp_path / "model", scheduler))
    with pytest.raises(ModelError, match=message):
        open_model(folder)


def test_a_refused_model_is_one_line_and_nothing_is_written(
    foreign_pipeline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = altered(foreign_pipeline, tmp_path / "model", unet={"in_channels": 9})
    given = ["--model", folder, "--dataset", make_training_set(tmp_path / "set"), "--workspace"]
    given += [tmp_path / "workspace", "--clip", "none", "--dino", "none"]
    assert precompute(["init", *map(str, given)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: the U-Net of")
    assert not (tmp_path / "workspace").exists()


def test_a_latents_size_may_be_a_list(foreign_pipeline: Path, tmp_path: Path) -> None:
    found = open_model(altered(foreign_pipeline, tmp_path / "model", unet={"sample_size": [8, 8]}))
    assert found.latent_shape == (3, 8, 8)
    assert found.resolution == 16


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_damaged_configuration_is_named(foreign_pipeline: Path, tmp_path: Path, text: str) -> None:
    folder = altered(foreign_pipeline, tmp_path / "model")
    (folder / "unet" / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"unet/config.json is damaged.*copy it again"):
        open_model(folder)
    (folder / "unet" / "config.json").unlink()
    with pytest.raises(ModelError, match=r"unet/config.json is missing"):
        open_model(folder)


# --- files beside the parts -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pytorch_lora_weights.safetensors", "a LoRA and would not be used: name it .*--adapter"),
        ("loras/style.safetensors", "a LoRA"),
        ("checkpoint-500/pytorch_lora_weights.safetensors", "a LoRA"),
        ("unet/pytorch_lora_weights.safetensors", "a LoRA"),
        ("adapter_model.safetensors", "a LoRA"),
        ("adapter_config.json", "a LoRA"),
        ("learned_embeds.safetensors", "a textual inversion .*--adapter"),
        ("learned_embeds-steps-500.bin", "a textual inversion .*precompute convert .*--adapter"),
        ("pytorch_custom_diffusion_weights.bin", "of Custom Diffusion .*precompute convert"),
        ("<new1>.bin", "a textual inversion"),
        ("models/ip-adapter_sd15.safetensors", "an IP-Adapter"),
        ("hypernetwork.pt", "a hypernetwork"),
        ("anything.safetensors", "no part of the pipeline"),
        ("anything.pt", "no part of the pipeline"),
    ],
)
def test_a_file_that_would_not_be_used_is_refused(
    foreign_pipeline: Path, tmp_path: Path, name: str, message: str
) -> None:
    """Law: A file that changes a model, lies beside it and would not be used is an error with a remedy."""
    folder = altered(foreign_pipeline, tmp_path / "model")
    stored(folder / name, "a.weight")
    with pytest.raises(ModelError, match=message) as refused:
        open_model(folder)
    assert name in str(refused.value)
    assert "move the file out of the folder" in str(refused.value)
    (folder / name).unlink()
    open_model(folder)


def test_a_lora_is_known_by_its_tensors(foreign_pipeline: Path, tmp_path: Path) -> None:
    folder = altered(foreign_pipeline, tmp_path / "model")
    stored(folder / "more" / "style.safetensors", "unet.mid_block.attn1.to_k.lora_A.weight")
    with pytest.raises(ModelError, match=r"style\.safetensors is a LoRA"):
        open_model(folder)


def test_what_changes_no_model_may_lie_beside_it(foreign_pipeline: Path, tmp_path: Path) -> None:
    folder = altered(foreign_pipeline, tmp_path / "model")
    stored(folder / "v1-5-pruned.safetensors", "model.diffusion_model.out.0.weight")  # for other programs
    stored(folder / "learned_embeds.safetensors", "<|startoftext|>")  # the tokenizer has it: put in already
    for name in ("v1-5-pruned.ckpt", "optimizer.bin", "README.md", "lora.md"):
        (folder / name).write_bytes(b"x")
    assert open_model(folder).fingerprint == open_model(foreign_pipeline).fingerprint


# --- the weights themselves -----------------------------------------------------------------------


def test_an_unfused_lora_in_the_u_net_is_refused(foreign_pipeline: Path, tmp_path: Path) -> None:
    folder = altered(foreign_pipeline, tmp_path / "model")
    path = folder / "unet" / WEIGHTS
    weights = load_file(path)
    name = next(name for name in weights if name.endswith("attn2.to_k.weight"))
    base = name.replace(".weight", ".base_layer.weight")
    save_file({base if key == name else key: value for key, value in weights.items()}, path)
    with pytest.raises(ModelError, match=r"an adapter that is not fused .*fuse_lora"):
        open_model(folder)


@pytest.mark.parametrize("change", ["more", "fewer"])
def test_a_u_net_that_lacks_weights_or_has_others_is_refused(
    foreign_pipeline: Path, tmp_path: Path, change: str
) -> None:
    """Law: A U-Net is refused whose files lack weights or hold some that it has no place for."""
    folder = altered(foreign_pipeline, tmp_path / "model")
    path = folder / "unet" / WEIGHTS
    weights = load_file(path)
    if change == "more":
        weights["mid_block.another.weight"] = torch.ones(2)
    else:
        del weights["mid_block.attentions.0.proj_in.weight"]
    save_file(weights, path)
    with pytest.raises(ModelError, match=r"does not hold the weights|could not be read"):
        open_model(folder)
    with pytest.raises(ModelError, match=r"does not hold the weights|could not be read"):
        at_checkpoint(open_model(foreign_pipeline), folder)


def renamed(folder: Path, ending: str, parts: tuple[str, ...] = ("unet", "vae", "text_encoder")) -> Path:
    """The same weights, half as precise, under names with another ending."""
    for part in parts:
        for path in (folder / part).glob("*.safetensors"):
            halves = {name: value.half() for name, value in load_file(path).items()}
            save_file(halves, path.with_name(path.name.replace(".safetensors", ending)), {"format": "pt"})
            path.unlink()
    return folder


def test_weights_that_are_there_in_half_precision_alone_are_read(
    foreign_pipeline: Path, tmp_path: Path
) -> None:
    folder = renamed(altered(foreign_pipeline, tmp_path / "model"), ".fp16.safetensors")
    found, whole = open_model(folder), open_model(foreign_pipeline)
    for name, weight in found.weights.items():
        assert torch.equal(weight, whole.weights[name].half().float())
    at_checkpoint(whole, folder)


def test_weights_without_moving_averages_beside_plain_ones_are_not_read(
    foreign_pipeline: Path, tmp_path: Path
) -> None:
    """Of the two kinds that Stable Diffusion 1 is published in, what is read is what the library reads."""
    folder = altered(foreign_pipeline, tmp_path / "model")
    plain = load_file(folder / "unet" / WEIGHTS)
    others = {name: torch.zeros_like(weight) for name, weight in plain.items()}
    save_file(others, folder / "unet" / WEIGHTS.replace(".safe", ".non_ema.safe"), {"format": "pt"})
    found, whole = open_model(folder), open_model(foreign_pipeline)
    assert all(torch.equal(found.weights[name], weight) for name, weight in whole.weights.items())


def test_variants_that_do_not_fit_together_are_refused(foreign_pipeline: Path, tmp_path: Path) -> None:
    folder = renamed(altered(foreign_pipeline, tmp_path / "model"), ".fp16.safetensors", ("unet",))
    renamed(folder, ".bf16.safetensors", ("vae",))
    with pytest.raises(ModelError, match=r"variants \(fp16; bf16\) do not name one for all"):
        open_model(folder)


def test_pickled_weights_are_refused_with_the_way_to_convert_them(
    foreign_pipeline: Path, tmp_path: Path
) -> None:
    folder = altered(foreign_pipeline, tmp_path / "model")
    (folder / "unet" / WEIGHTS).rename(folder / "unet" / WEIGHTS.replace("safetensors", "bin"))
    with pytest.raises(ModelError, match=r"weights of the unet are pickles .*precompute convert"):
        open_model(folder)
    (folder / "unet" / WEIGHTS.replace("safetensors", "bin")).unlink()
    with pytest.raises(ModelError, match=r"the unet has no weights .*copy the whole"):
        open_model(folder)
