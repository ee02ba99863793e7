"""Models on disk: whole or absent, in half precision, with what others need to load them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from transformers import CLIPModel, ViTModel

from attribution.data.files import folder_whole
from demo.scenes import SIZE


def publish(save: Callable[[Path], object], folder: Path) -> None:
    """Save a folder that takes this name, in place of an older one, once it is whole."""
    with folder_whole(folder) as part:
        save(part)
        shutil.rmtree(folder, ignore_errors=True)


def save_encoder(model: CLIPModel | ViTModel, folder: Path, processor: str) -> None:
    """Save in half precision, to be computed with in single precision; with how to prepare pictures."""
    model.to("cpu", torch.float16).save_pretrained(folder)
    _edit_config(folder, {"dtype": "float32"})
    side = {"height": SIZE, "width": SIZE}
    preprocessing = {
        "image_processor_type": processor,
        "do_resize": True,
        "size": {"shortest_edge": SIZE} if processor.startswith("CLIP") else side,
        "resample": int(Image.Resampling.BICUBIC),
        "do_center_crop": processor.startswith("CLIP"),
        "crop_size": side,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "do_convert_rgb": True,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing, indent=2) + "\n")


def save_pipeline(pipeline: StableDiffusionPipeline, folder: Path) -> None:
    """Save in half precision, to be computed with in single precision.

    diffusers raises what it loads to float32; transformers follows the stored dtype unless the
    configuration names another, and one pipeline must not mix the two.
    """
    pipeline.save_pretrained(folder)
    _edit_config(folder / "text_encoder", {"dtype": "float32"})
    _edit_config(folder / "vae", {"block_out_channels": None})  # written, but warned of when read
    for part in ("vae", "unet", "text_encoder"):
        _edit_config(folder / part, {"_name_or_path": None})  # a place on this machine


def _edit_config(folder: Path, changes: dict[str, str | None]) -> None:
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), **changes}
    kept = {key: value for key, value in config.items() if key not in changes or value is not None}
    path.write_text(json.dumps(kept, indent=2) + "\n")
