"""The files that AbU publishes of its MSCOCO model: what they hold, and whether that is what they should.

model.bin                          the U-Net, a pickled state dict
fisher_info.pt                     mean squared gradients by name, pickled, in double precision
coco17_train_latents.npy           (2 N, c, h, w): N pictures as they are, then N flipped, scaled
coco17_train_text_embeddings.npy   (N, 5, tokens, width): the first five captions of each picture

The rows are the pictures of COCO's `captions_train2017.json` in its order. Latents and embeddings are
compared with what the base's own VAE and text encoder make of a few pictures and captions: that tells
order, crop and scale at once. No file of theirs was at hand when this was written.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from attribution.errors import ModelError
from attribution.models.base import DiffusionModel
from attribution.models.pickles import unpickled_tensors
from attribution.models.pipeline_checks import read_json
from attribution.models.pipeline_files import file_names
from attribution.models.weight_files import variant_of
from attribution.workspace.workspace import Workspace

FILES = MODEL, FISHER, LATENTS, CAPTIONS = (
    "model.bin", "fisher_info.pt", "coco17_train_latents.npy", "coco17_train_text_embeddings.npy",
)  # fmt: skip
BROUGHT = ("vae", "text_encoder", "tokenizer")  # parts of the base; two of them have weights
CLASSES = {"unet": "UNet2DConditionModel", "scheduler": "DDPMScheduler"}
EACH = 5  # captions of a picture
CHECKED = 4  # pictures, spread over all of them
# How far what is stored may be from what the base makes, as a share of its size. Another picture's latent
# is about 1.4 away, another scale more, another way to make a picture small less. Captions begin alike.
LATENTS_APART, CAPTIONS_APART = 0.75, 0.05
FLIP = Image.Transpose.FLIP_LEFT_RIGHT


@dataclass(frozen=True)
class Published:
    """A published model, as far as its files do not say it themselves.

    Attributes:
        unet: the arguments of its U-Net.
        timesteps: at which its authors measure losses.
    """

    unet: Mapping[str, Any]
    timesteps: tuple[int, ...] = tuple(range(0, 1000, 50))


MSCOCO = Published(
    {
        "sample_size": 16,
        "in_channels": 4,
        "out_channels": 4,
        "layers_per_block": 2,
        "block_out_channels": (128, 256, 256, 256),
        "down_block_types": (*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"),
        "up_block_types": ("UpBlock2D", *["CrossAttnUpBlock2D"] * 3),
        "cross_attention_dim": 1024,
        "attention_head_dim": 8,
    }
)


@dataclass(frozen=True)
class AbuFiles:
    """A folder that has all of them.

    Raises:
        ModelError: one is missing.
    """

    folder: Path

    def __post_init__(self) -> None:
        absent = [name for name in FILES if not (self.folder / name).is_file()]
        if absent:
            raise ModelError(
                f"{self.folder} has no {', '.join(absent)}: unpack the published archives, and give the "
                "folder that has them"
            )

    @property
    def model(self) -> Path:
        return self.folder / MODEL

    @property
    def captions(self) -> Path:
        return self.folder / CAPTIONS

    def fisher(self, model: DiffusionModel) -> dict[str, Float[Tensor, "out in"]]:
        """The diagonal of the Fisher information of the layers that are unlearned, in single precision.

        Raises:
            ModelError: a layer is missing, or of another shape, or its values cannot be mean squares.
        """
        path = self.folder / FISHER
        found, chosen = unpickled_tensors(path), {}
        for name, weight in model.weights.items():
            value = found.get(name)
            if value is None or value.shape != weight.shape:
                had = "none" if value is None else f"one of {tuple(value.shape)}"
                raise ModelError(
                    f"{path} is of another model: of {name}, {tuple(weight.shape)}, it has {had}"
                )
            if not torch.isfinite(value).all() or value.min() < 0 or not value.any():
                raise ModelError(f"{path} holds no mean squared gradients of {name}: copy it again")
            chosen[name] = value.float()
        return chosen

    def latents(self, workspace: Workspace) -> Float[np.ndarray, "sides_times_examples c h w"]:
        """Those of all pictures, then of all flipped ones; memory-mapped.

        Raises:
            ModelError: they have another shape, or are not those of these pictures.
        """
        path, count = self.folder / LATENTS, len(workspace.training_set)
        found = _mapped(path, (2 * count, *workspace.latent_shape))
        for row in _some(count):
            picture = workspace.prepared(workspace.training_set.image(row))
            sides = workspace.model.encode_images([picture, picture.transpose(FLIP)]).cpu()
            for side, own in enumerate(sides):
                stored = torch.from_numpy(np.array(found[side * count + row], np.float32))
                apart, example = _apart(stored, own), workspace.training_set.ids[row]
                _check_near(apart, LATENTS_APART, path, example, "its order, crop or scale")
        return found

    def embeddings(self, workspace: Workspace) -> Float[np.ndarray, "examples captions tokens width"]:
        """Those of five captions of each picture; memory-mapped.

        Raises:
            ModelError: they have another shape, or are not those of these captions.
        """
        captions = workspace.training_set.captions
        own = workspace.model.encode_captions([captions[0]]).tokens
        found = _mapped(self.captions, (len(captions), EACH, *own.shape[1:]))
        for row in _some(len(captions)):
            own = workspace.model.encode_captions([captions[row]]).tokens[0].cpu()
            stored = torch.from_numpy(np.array(found[row, 0], np.float32))
            apart, example = _apart(stored, own), workspace.training_set.ids[row]
            _check_near(apart, CAPTIONS_APART, self.captions, example, "its order or encoder")
        return found


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A .npy file of half or single precision, of that shape."""
    try:
        found: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as problem:
        raise ModelError(f"{path} is damaged: it is no plain array; copy it again") from problem
    if found.shape != shape or found.dtype not in (np.float16, np.float32):
        raise ModelError(
            f"{path} holds {found.dtype} of {found.shape}, where {shape} in half or single precision was "
            "expected of these pictures: give the --dataset and --base that it was made with"
        )
    return found


def _some(count: int) -> Iterator[int]:
    return map(int, np.unique(np.linspace(0, count - 1, CHECKED).round()))


def _apart(stored: Tensor, own: Tensor) -> float:
    return float((stored - own).norm() / own.norm())


def _check_near(apart: float, most: float, path: Path, example: str, which: str) -> None:
    if not apart <= most:  # NaN is not either
        raise ModelError(
            f"{path} is not of these pictures: what it has of {example} is {apart:.0%} of its size away "
            f"from what --base makes of it ({which} is another one)"
        )


def write_pipeline(files: AbuFiles, base: Path, folder: Path, published: Published = MSCOCO) -> None:
    """Write a pipeline folder of the published U-Net and the base's VAE, tokenizer and text encoder.

    Raises:
        ModelError: the U-Net is another one, or the base lacks a part.
    """
    index = read_json(base / "model_index.json")
    variant_of(file_names(base), base, BROUGHT[:2])
    with torch.device("meta"):  # for its names and shapes: every weight is read
        unet = UNet2DConditionModel(**published.unet)
    tensors = {name: tensor.float() for name, tensor in unpickled_tensors(files.model).items()}
    wanted = {(name, weight.shape) for name, weight in unet.state_dict().items()}
    wrong = sorted(wanted ^ {(name, tensor.shape) for name, tensor in tensors.items()})
    if wrong:
        raise ModelError(
            f"{files.model} is not the published U-Net: {wrong[0][0]} is missing or of another shape"
        )
    unet.load_state_dict(tensors, assign=True)
    unet.save_pretrained(folder / "unet")
    # The published schedule is the default one. Theirs clips latents when it samples, which diffusers'
    # Stable Diffusion pipeline does not let its schedulers do.
    DDPMScheduler(clip_sample=False, steps_offset=1).save_pretrained(folder / "scheduler")
    for part in BROUGHT:
        shutil.copytree(base / part, folder / part)
    own = {name: ["diffusers", name_of] for name, name_of in CLASSES.items()}
    brought = {part: index[part] for part in BROUGHT}
    without = {"safety_checker": [None, None], "feature_extractor": [None, None]}
    written = {"_class_name": "StableDiffusionPipeline", **own, **brought, **without}
    (folder / "model_index.json").write_text(json.dumps(written, indent=2), encoding="utf-8")
