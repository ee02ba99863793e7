"""A foreign world, made in seconds: every size differs from the embedded one's.

A Stable Diffusion pipeline with an AutoencoderKL, v-prediction and random weights, a CLIP and a
DINOv2 of other sizes, and a folder of captioned pictures that are not square.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    SchedulerMixin,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from PIL import Image, ImageDraw
from safetensors.torch import save_file
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    CLIPVisionConfig,
    Dinov2Config,
    Dinov2Model,
)

COLOURS = ("red", "green", "blue", "yellow", "white", "purple")
SHAPES = ("square", "circle", "bar")
TOKENS = 16  # of a caption
PICTURE = (30, 20)  # pixels
RESOLUTION = 16  # pixels; an 8 x 8 latent
OMITTED = object()  # in place of a value that a configuration is not to have


def make_tokenizer() -> CLIPTokenizer:
    """One token a letter, and the two ends."""
    letters = [*"abcdefghijklmnopqrstuvwxyz0123456789"]
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    merges = [("r", "e"), ("re", "d</w>")]
    vocabulary = {token: i for i, token in enumerate([*tokens, "re", "red</w>"])}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=TOKENS)


def text_config(tokenizer: CLIPTokenizer) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        projection_dim=20,
    )


def make_pipeline(folder: Path, seed: int = 0) -> Path:
    """Save a tiny v-prediction pipeline with random weights."""
    torch.manual_seed(seed)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        latent_channels=3,
        sample_size=RESOLUTION,
        scaling_factor=6.0,
    )
    unet = UNet2DConditionModel(
        sample_size=RESOLUTION // 2,
        in_channels=3,
        out_channels=3,
        layers_per_block=1,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=24,
        attention_head_dim=8,
        norm_num_groups=8,
    )
    with torch.no_grad():
        for name, parameter in unet.named_parameters():
            if name.endswith("proj_out.weight"):
                parameter.mul_(5)  # untrained attention has next to no say, and there is little to unlearn
    tokenizer = make_tokenizer()
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(text_config(tokenizer)),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DDPMScheduler(prediction_type="v_prediction", clip_sample=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return folder


def make_clip(folder: Path) -> Path:
    """Save a tiny CLIP with random weights."""
    torch.manual_seed(1)
    tokenizer = make_tokenizer()
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=24,
        patch_size=8,
        projection_dim=20,
    )
    text = text_config(tokenizer)
    config = CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=20)
    CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_dino(folder: Path) -> Path:
    """Save a tiny DINOv2 with random weights and a preprocessor of its own."""
    torch.manual_seed(2)
    config = Dinov2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=7
    )
    Dinov2Model(config).save_pretrained(folder)
    wanted = {"image_mean": [0.4, 0.4, 0.4], "image_std": [0.3, 0.3, 0.3], "crop_size": {"height": 21}}
    (folder / "preprocessor_config.json").write_text(json.dumps(wanted))
    return folder


def make_training_set(folder: Path, count: int = 22) -> Path:
    """Draw captioned pictures; ids are their file names, and there is a further column."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for i in range(count):
        colour, shape = COLOURS[i % len(COLOURS)], SHAPES[i % len(SHAPES)]
        path = folder / "pictures" / f"{i:03d}.png"
        path.parent.mkdir(exist_ok=True)
        draw_picture(i, colour, shape).save(path)
        line = {
            "file_name": f"pictures/{path.name}",
            "text": f"a {colour} {shape}",
            "artist": f"artist {i % 4}",
        }
        lines.append(json.dumps(line) + "\n")
    (folder / "metadata.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def draw_picture(seed: int, colour: str, shape: str) -> Image.Image:
    """A shape on noise."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 90, (PICTURE[1], PICTURE[0], 3), dtype=np.uint8))
    x, y = int(rng.integers(2, 16)), int(rng.integers(1, 8))
    draw = ImageDraw.Draw(image)
    if shape == "circle":
        draw.ellipse((x, y, x + 11, y + 11), fill=colour)
    else:
        draw.rectangle((x, y, x + 11, y + (11 if shape == "square" else 4)), fill=colour)
    return image


def stored(path: Path, *names: str) -> Path:
    """Save a safetensors file that holds tensors of these names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: torch.ones(2, 2) for name in names or ("x",)}, path)
    return path


def altered(
    pipeline: Path, folder: Path, saved: SchedulerMixin | None = None, **parts: dict[str, Any]
) -> Path:
    """Copy a pipeline, with another scheduler and with other values in the configurations of its parts.

    Args:
        saved: the scheduler that lies there in place of the pipeline's.
        parts: values by the name of the part whose configuration they go into; `index` for that of the
            pipeline itself.
    """
    shutil.copytree(pipeline, folder)
    if saved is not None:
        saved.save_pretrained(folder / "scheduler")
        parts["index"] = {"scheduler": ["diffusers", type(saved).__name__], **parts.get("index", {})}
    for part, values in parts.items():
        name = "scheduler_config.json" if part == "scheduler" else "config.json"
        path = folder / "model_index.json" if part == "index" else folder / part / name
        told = json.loads(path.read_text(encoding="utf-8")) | values
        told = {key: value for key, value in told.items() if value is not OMITTED}
        path.write_text(json.dumps(told), encoding="utf-8")
    return folder
