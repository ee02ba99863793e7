"""How large the models of a world are. The tiny world differs from the shipped one in nothing else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Widths are in channels, multiples of 32: attention heads are 32 wide."""

    vae_width: int = 48
    unet_channels: tuple[int, ...] = (32, 64, 128)
    text_width: int = 128
    text_layers: int = 2
    clip_width: int = 128  # of both towers and of the shared space
    clip_layers: int = 4  # of the image tower; the text tower has half as many
    dino_width: int = 128
    dino_layers: int = 4


DEFAULT = Sizes()
TINY = Sizes(
    vae_width=16,
    unet_channels=(16, 32),
    text_width=32,
    text_layers=1,
    clip_width=32,
    clip_layers=2,
    dino_width=32,
    dino_layers=2,
)
