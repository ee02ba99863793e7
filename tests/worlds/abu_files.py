"""Files in the layout of AbU's published MSCOCO model, of tiny sizes and with random weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline, UNet2DConditionModel
from PIL import Image

from attribution.data.preprocessing import Preparation
from attribution.models.base import open_model
from precompute.abu_files import CAPTIONS, FISHER, LATENTS, MODEL, Published
from tests.worlds.foreign import COLOURS, RESOLUTION, SHAPES, draw_picture

IMAGE_IDS = (391895, 522418, 184613, 318219, 554625, 574769)  # in no order, as COCO has them
PUBLISHED = Published(
    {
        "sample_size": RESOLUTION // 2,
        "in_channels": 3,
        "out_channels": 3,
        "layers_per_block": 1,
        "block_out_channels": (8, 16),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": 24,
        "attention_head_dim": 4,
        "norm_num_groups": 4,
    },
    (50, 550),
)


@dataclass(frozen=True)
class Layout:
    """What was written, and what it was written from."""

    folder: Path
    base: Path
    captions: list[list[str]]  # of each picture, in order

    def replace(self, name: str, value: Any) -> None:
        """Write one of the files anew: an array, or what is pickled."""
        if name.endswith(".npy"):
            np.save(self.folder / name, value)
        else:
            torch.save(value, self.folder / name)


def make_layout(base: Path, folder: Path) -> Layout:
    """Pictures and captions as COCO has them, and the published files beside them."""
    (folder / "train2017").mkdir(parents=True)
    (folder / "annotations").mkdir()
    annotations, captions = [], []
    for k, image_id in enumerate(IMAGE_IDS):
        colour, shape = COLOURS[k], SHAPES[k % 3]
        draw_picture(k, colour, shape).save(folder / "train2017" / f"{image_id:012d}.jpg", quality=95)
        own = [
            f"{begins} {colour} {shape}" for begins in ("a", "one", "this", "here a", "only a", "not read")
        ]
        annotations += [{"image_id": image_id, "caption": each} for each in own]
        captions.append(own[:5])
    images = [{"id": each, "file_name": f"{each:012d}.jpg"} for each in IMAGE_IDS]
    said = {"images": images, "annotations": annotations}
    (folder / "annotations" / "captions_train2017.json").write_text(json.dumps(said))
    layout = Layout(folder, base, captions)
    _write_files(layout)
    return layout


def _write_files(layout: Layout) -> None:
    torch.manual_seed(5)
    unet = UNet2DConditionModel(**PUBLISHED.unet)
    layout.replace(MODEL, unet.state_dict())
    squares = {name: torch.rand(w.shape).double() + 1e-3 for name, w in unet.named_parameters()}
    layout.replace(FISHER, squares)
    model = open_model(layout.base)
    pictures = [Image.open(layout.folder / "train2017" / f"{each:012d}.jpg") for each in IMAGE_IDS]
    ready = [Preparation().prepared(picture, RESOLUTION) for picture in pictures]
    flipped = [picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for picture in ready]
    latents = model.encode_images([*ready, *flipped])
    layout.replace(LATENTS, (latents + 0.02 * torch.randn(latents.shape)).numpy())
    told = torch.stack([model.encode_captions(own).tokens for own in layout.captions])
    layout.replace(CAPTIONS, told.numpy().astype(np.float16))


def unet_of(folder: Path) -> UNet2DConditionModel:
    return DiffusionPipeline.from_pretrained(folder).unet
