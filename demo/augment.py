"""Random views of pictures, for whole batches at once.

Every view is drawn from the generator of its own example, so a batch with some examples left out has
the same views of the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from attribution.rng import generator

_LUMA = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)


@dataclass(frozen=True)
class Views:
    """How strongly views differ from their picture. Colours are relative; 0 leaves them alone."""

    side: int = 64  # of the view, in pixels
    area: tuple[float, float] = (0.4, 1.0)  # share of the picture that a view covers
    aspect: float = 4 / 3
    overhang: float = 0.0  # how far a view may reach over the border, in fractions of the picture
    flip: bool = False
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.3  # radians of a turn in the plane of colours
    grey: float = 0.0  # probability
    blur: float = 0.0  # probability of a Gaussian blur of 0.3 to 1.2 pixels
    haze: float = 0.0  # greatest opacity of a vertical blend of two random colours over the view


def views(
    pictures: Float[Tensor, "n 3 h w"],
    rows: Sequence[int],
    settings: Views,
    seed: int,
    purpose: str,
    step: int,
) -> Float[Tensor, "n 3 side side"]:
    """One random view of each picture in [-1, 1]; of example `row`, a function of (seed, step, row)."""
    draws = np.stack([generator(seed, purpose, row, step).random(19, np.float32) for row in rows])
    draw = torch.from_numpy(draws).unbind(1)
    seen = _recoloured(_cropped(pictures, draw[:5], settings), draw[5:12], settings)
    return _hazy(seen, draw[12:], settings) if settings.haze > 0 else seen


def _cropped(
    pictures: Float[Tensor, "n 3 h w"], draw: Sequence[Tensor], settings: Views
) -> Float[Tensor, "n 3 side side"]:
    low, high = settings.area
    area = low + (high - low) * draw[0]
    aspect = torch.exp(math.log(settings.aspect) * (2 * draw[1] - 1))
    width, height = ((area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1))
    # In grid_sample's coordinates the picture spans [-1, 1]: a view of width w has room for 1 - w.
    x = (2 * draw[2] - 1) * (1 - width + settings.overhang)
    y = (2 * draw[3] - 1) * (1 - height + settings.overhang)
    mirror = torch.where(draw[4] < 0.5, -1.0, 1.0) if settings.flip else torch.ones_like(x)
    zero = torch.zeros_like(x)
    rows = [torch.stack([width * mirror, zero, x], 1), torch.stack([zero, height, y], 1)]
    size = [len(pictures), 3, settings.side, settings.side]
    grid = F.affine_grid(torch.stack(rows, 1), size, align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def _recoloured(
    pictures: Float[Tensor, "n 3 h w"], draw: Sequence[Tensor], settings: Views
) -> Float[Tensor, "n 3 h w"]:
    def factor(uniform: Tensor, strength: float) -> Tensor:
        return (1 + strength * (2 * uniform - 1)).view(-1, 1, 1, 1)

    pictures = (pictures + 1) * factor(draw[0], settings.brightness) - 1
    mean = (pictures * _LUMA).sum(1, keepdim=True).mean(dim=(2, 3), keepdim=True)
    pictures = mean + (pictures - mean) * factor(draw[1], settings.contrast)
    luma = (pictures * _LUMA).sum(1, keepdim=True)
    saturation = factor(draw[2], settings.saturation)
    saturation = torch.where((draw[3] < settings.grey).view(-1, 1, 1, 1), 0.0, saturation)
    chroma = _turned((pictures - luma) * saturation, settings.hue * (2 * draw[4] - 1))
    pictures = luma + chroma
    if settings.blur > 0:
        sigma = 0.3 + 0.9 * draw[6]
        pictures = torch.where(
            (draw[5] < settings.blur).view(-1, 1, 1, 1), _blurred(pictures, sigma), pictures
        )
    return pictures.clamp(-1, 1)


def _hazy(
    pictures: Float[Tensor, "n 3 h w"], draw: Sequence[Tensor], settings: Views
) -> Float[Tensor, "n 3 h w"]:
    opacity = (settings.haze * draw[0]).view(-1, 1, 1, 1)
    colours = (2 * torch.stack(list(draw[1:]), 1) - 1).view(-1, 3, 2, 1)  # above and below
    ramp = F.interpolate(colours, (pictures.shape[-2], 1), mode="bilinear", align_corners=True)
    return pictures.lerp(ramp, opacity)


def _turned(chroma: Float[Tensor, "n 3 h w"], angle: Float[Tensor, " n"]) -> Float[Tensor, "n 3 h w"]:
    """Rotation about the grey axis (Rodrigues' formula; the chroma's own part along it stays)."""
    cosine, sine = angle.cos().view(-1, 1, 1, 1), angle.sin().view(-1, 1, 1, 1)
    along = chroma.mean(1, keepdim=True)
    crossed = (chroma.roll(1, 1) - chroma.roll(-1, 1)) / math.sqrt(3)
    return chroma * cosine + crossed * sine + along * (1 - cosine)


def _blurred(pictures: Float[Tensor, "n 3 h w"], sigma: Float[Tensor, " n"]) -> Float[Tensor, "n 3 h w"]:
    offsets = torch.arange(-2, 3).float()
    kernel = torch.exp(-offsets.square() / (2 * sigma[:, None].square()))
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)  # (3n, 5)
    n, c, h, w = pictures.shape
    flat = F.pad(pictures.reshape(1, n * c, h, w), (2, 2, 2, 2), mode="replicate")
    flat = F.conv2d(flat, kernel.view(n * c, 1, 1, 5), groups=n * c)
    flat = F.conv2d(flat, kernel.view(n * c, 1, 5, 1), groups=n * c)
    return flat.view(n, c, h, w)
