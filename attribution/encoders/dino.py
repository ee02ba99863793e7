"""DINO (Caron et al. 2021) and DINOv2: any transformers ViT or Dinov2 checkpoint.

Its description of a picture is the class token beside its patch tokens, pooled, and whitened over the
training set: the read-out of the paper's section 4.2 on copies and retrieval. The paper pools by a
generalised mean with exponent 4; here the exponent is infinite and either sign is kept, that is the largest
and the smallest value of each channel, which on the embedded world's training scenes finds more objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from attribution.encoders.base import (
    EncoderReader,
    Vectors,
    module_fingerprint,
    pixel_batch,
    preprocessing,
    unit_rows,
    unreadable,
)
from attribution.errors import ModelError, UnknownNameError
from attribution.plugins import one_at_a_time

HALF = (0.5, 0.5, 0.5)
READ_OUT = "class token, largest and smallest patch tokens"


class DinoEncoder:
    """Pictures alone.

    Args:
        model: a vision transformer of the transformers library.
        size: of the pictures that it is shown, in pixels.
        mean, std: of the pixels, a channel.
    """

    def __init__(self, model: Any, size: int, mean: Sequence[float], std: Sequence[float]):
        self.model, self.size, self.mean, self.std = model, size, tuple(mean), tuple(std)
        # Between the class token and the patches; DINOv2 may have some.
        self.registers = int(getattr(model.config, "num_register_tokens", 0))
        self.fingerprint = module_fingerprint(model, self.size, self.mean, self.std, READ_OUT)

    @torch.inference_mode()
    def images(self, images: Sequence[Image.Image]) -> Vectors:
        pixels = pixel_batch(images, self.size, self.mean, self.std)
        output = self.model(pixel_values=pixels.to(self.model.device))
        return unit_rows(read_out(output.last_hidden_state, self.registers))

    def captions(self, captions: Sequence[str]) -> Vectors:
        raise UnknownNameError("the dino encoder has no text")


def read_out(tokens: Float[Tensor, "n tokens d"], registers: int = 0) -> Float[Tensor, "n 3*d"]:
    """The class token and the largest and smallest patch tokens, each of length 1, side by side."""
    patches = tokens[:, 1 + registers :]
    parts = (tokens[:, 0], patches.amax(1), patches.amin(1))
    return torch.cat([F.normalize(part, dim=1) for part in parts], dim=1)


def picture_size(config: Any, wanted: Mapping[str, Any]) -> int:
    """The side to resize to. DINOv2 was trained at 224 whatever its table of positions holds."""
    if config.model_type == "vit":
        return int(config.image_size)
    crop = wanted.get("crop_size", 224)
    side = int(crop.get("height", 224) if isinstance(crop, Mapping) else crop)
    side = min(side, int(config.image_size))
    return side - side % int(config.patch_size)


@one_at_a_time
def open_dino(source: str, device: str) -> DinoEncoder:
    """Read a checkpoint.

    Raises:
        ModelError: it is not there, not a whole vision transformer, or the hub cannot be reached.
    """
    from transformers import AutoConfig, AutoModel, ViTModel  # seconds to import: where it is read

    try:
        config = AutoConfig.from_pretrained(source)
        options = {"use_safetensors": True, "output_loading_info": True, "dtype": torch.float32}
        if config.model_type == "vit":
            model, loading = ViTModel.from_pretrained(source, add_pooling_layer=False, **options)
        else:
            model, loading = AutoModel.from_pretrained(source, **options)
        if loading["missing_keys"]:
            raise ModelError(f"it has no {sorted(loading['missing_keys'])[0]}")
        wanted = preprocessing(source)
        size = picture_size(config, wanted)
    except Exception as problem:  # transformers and the hub raise a wide family
        raise unreadable("dino", source, problem) from problem
    mean, std = wanted.get("image_mean", HALF), wanted.get("image_std", HALF)
    return DinoEncoder(model.eval().requires_grad_(False).to(device), size, mean, std)


ENCODERS = (EncoderReader("dino", "facebook/dino-vits16", False, open_dino, whitened=True),)
