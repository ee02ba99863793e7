"""The autoencoder: a standard `AutoencoderTiny`, 64 x 64 x 3 => 16 x 16 x 4.

Trained on 32 x 32 crops around objects, where the detail is, then for its last part on whole scenes,
whose borders the crops do not have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderTiny
from jaxtyping import Float, UInt8
from torch import Tensor

from attribution.rng import gaussian, generator
from training.loop import Recipe

LATENT_CHANNELS = 4
CROP = 32  # pixels
WHOLE_FROM = 0.9  # share of the steps after which whole scenes are used
LATENT_NOISE = 0.03  # in units of the latents' standard deviation; keeps the latent space smooth

RECIPE = Recipe(steps=12_000, batch=32, learning_rate=1.5e-3, decay_from=0.3, ema=0.998, weight_decay=0.0)


def new_autoencoder(width: int) -> AutoencoderTiny:
    """Fresh weights; deterministic."""
    torch.manual_seed(0)  # diffusers draws initial weights from the global generator
    widths = (width,) * 3
    return AutoencoderTiny(
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths,
        num_encoder_blocks=(1, 2, 3),
        num_decoder_blocks=(3, 2, 1),
        latent_channels=LATENT_CHANNELS,
        scaling_factor=1.0,
    )


def to_model_range(pixels: UInt8[np.ndarray, "n h w 3"]) -> Float[Tensor, "n 3 h w"]:
    """Bytes => [-1, 1], channels first."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def reconstruction_loss(
    model: AutoencoderTiny, batch: Float[Tensor, "n 3 h w"], noise: Float[Tensor, "n c lh lw"]
) -> Tensor:
    """Squared error, edges counted again, and a pull of the latents towards unit scale."""
    latents = model.encoder(batch)
    restored = model.decoder(latents + LATENT_NOISE * noise).float()
    latents = latents.float()
    error = restored - batch
    edges = error.diff(dim=-1).square().mean() + error.diff(dim=-2).square().mean()
    absolute = error.abs().mean()
    scale = (latents.square().mean(dim=(0, 2, 3)) - 1).square().mean()
    mean = latents.mean(dim=(0, 2, 3)).square().mean()
    loss: Tensor = error.square().mean() + 0.1 * edges + 0.02 * absolute + 0.001 * (scale + mean)
    return loss


class CropLoss:
    """The loss of one step: crops around objects, later whole scenes."""

    def __init__(
        self,
        model: AutoencoderTiny,
        pixels: UInt8[np.ndarray, "n 64 64 3"],
        boxes: Sequence[Sequence[Sequence[float]]],
        recipe: Recipe,
    ):
        self.model, self.recipe, self.boxes = model, recipe, boxes
        self.pixels = pixels

    def __call__(self, step: int, rows: Sequence[int]) -> Tensor:
        whole = step >= WHOLE_FROM * self.recipe.steps
        if whole:
            rows = rows[: len(rows) // 4]
        crops = [self.pixels[row] if whole else self._crop(step, row) for row in rows]
        batch = to_model_range(np.stack(crops))
        side = batch.shape[-1] // 4
        shape = (LATENT_CHANNELS, side, side)
        noise = torch.stack(
            [gaussian(self.recipe.seed, "autoencoder", str(row), step, shape) for row in rows]
        )
        device = next(self.model.parameters()).device
        batch = batch.to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            return reconstruction_loss(self.model, batch, noise.to(device))

    def _crop(self, step: int, row: int) -> UInt8[np.ndarray, "32 32 3"]:
        rng = generator(self.recipe.seed, "crop", row, step)
        side = self.pixels.shape[1]
        x0, y0, x1, y1 = self.boxes[row][int(rng.integers(len(self.boxes[row])))]
        x = round((x0 + x1) / 2 * side - CROP / 2 + rng.uniform(-10, 10))
        y = round((y0 + y1) / 2 * side - CROP / 2 + rng.uniform(-10, 10))
        x, y = min(max(x, 0), side - CROP), min(max(y, 0), side - CROP)
        return self.pixels[row, y : y + CROP, x : x + CROP]


@torch.no_grad()
def encode_all(
    model: AutoencoderTiny, pixels: UInt8[np.ndarray, "n 64 64 3"], batch: int = 64
) -> Float[Tensor, "n c 16 16"]:
    """Unscaled latents of all pictures, in order."""
    parts = [model.encoder(to_model_range(pixels[i : i + batch])) for i in range(0, len(pixels), batch)]
    return torch.cat(parts)


@torch.no_grad()
def psnr(
    model: AutoencoderTiny, pixels: UInt8[np.ndarray, "n 64 64 3"], batch: int = 64
) -> Iterator[float]:
    """Peak signal-to-noise ratio of each whole picture in dB, after rounding to bytes."""
    for start in range(0, len(pixels), batch):
        original = to_model_range(pixels[start : start + batch])
        restored = model.decoder(model.encoder(original)).clamp(-1, 1)
        error = ((restored + 1) * 127.5).round() - (original + 1) * 127.5
        for mse in F.mse_loss(error, torch.zeros_like(error), reduction="none").mean(dim=(1, 2, 3)):
            yield float(10 * torch.log10(255**2 / mse))
