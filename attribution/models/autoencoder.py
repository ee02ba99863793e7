"""Pictures to latents and back, by a pipeline's own autoencoder, scaled as its denoiser sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

ENCODE_BATCH = 32  # pictures that are encoded at once, at most
ENCODE_PIXELS = 2**19  # of all of them together, if there is more than one


def downscaling(vae: Any) -> int:
    """Pixels of a side of a picture for each cell of a side of its latent."""
    config = vae.config
    channels = getattr(config, "block_out_channels", None) or config.encoder_block_out_channels
    return int(2 ** (len(channels) - 1))


@torch.no_grad()
def latents_of(
    vae: Any, images: Sequence[Image.Image], resolution: int, device: torch.device
) -> Float[Tensor, "n c h w"]:
    """Latents of pictures of that many pixels a side; no randomness."""
    parts = []
    size = max(1, min(ENCODE_BATCH, ENCODE_PIXELS // resolution**2))
    for start in range(0, len(images), size):
        encoded = vae.encode(pixels_of(images[start : start + size]).to(device))
        # AutoencoderKL has a posterior, of which the mode is taken; AutoencoderTiny has none.
        raw = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
        centre, scale = _affine(vae, raw)
        parts.append((raw - centre) * scale)
    return torch.cat(parts)


def picture_of(vae: Any, latents: Float[Tensor, "1 c h w"]) -> Image.Image:
    """A picture of scaled latents."""
    centre, scale = _affine(vae, latents)
    return shown(vae.decode(latents / scale + centre).sample[0])


def pixels_of(images: Sequence[Image.Image]) -> Float[Tensor, "n 3 h w"]:
    """Pictures as an autoencoder sees them, from -1 to 1."""
    batch = np.stack([np.asarray(image, np.float32) for image in images])
    return torch.from_numpy(batch).permute(0, 3, 1, 2).contiguous() / 127.5 - 1


def shown(pixels: Float[Tensor, "3 h w"]) -> Image.Image:
    """The inverse, of one picture."""
    levels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).cpu().numpy())


def _affine(vae: Any, like: Tensor) -> tuple[float | Tensor, float | Tensor]:
    """What raw latents are centred and multiplied by: numbers, or one of each for every channel."""
    config = vae.config
    scale = config.scaling_factor
    mean, deviation = config.get("latents_mean"), config.get("latents_std")
    if mean is None or deviation is None:
        return config.get("shift_factor") or 0.0, scale
    of_channels = [like.new_tensor(each)[:, None, None] for each in (mean, deviation)]
    return of_channels[0], scale / of_channels[1]
