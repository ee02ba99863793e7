"""What a loss is measured at: draws, each with the latent and the conditioning of a picture of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

BATCH = 256  # draws of one pass, unless it is asked for another

Rows = slice | Int[Tensor, " rows"]


@dataclass(frozen=True, eq=False)
class Conditioning:
    """What a denoiser is told of captions: a tree of tensors with one row for each of them.

    Every operation on it is that operation on each tensor.

    Attributes:
        tokens: embeddings of the captions' tokens.
        further: what some models want beside them, by name (SDXL: pooled embeddings and time ids).
    """

    tokens: Float[Tensor, "n tokens d"]
    further: Mapping[str, Shaped[Tensor, "n ..."]] = field(default_factory=dict)

    @property
    def is_nothing(self) -> bool:
        """Whether a denoiser is told nothing at all: the model is unconditional."""
        return self.tokens.numel() == 0 and not self.further

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, rows: Rows) -> Conditioning:
        """Some rows, whose numbers may lie on another device."""
        if isinstance(rows, slice):
            return self.map(lambda leaf: leaf[rows])
        return self.map(lambda leaf: leaf[rows.to(leaf.device)])

    def expand(self, count: int) -> Conditioning:
        """The one row for all of `count` draws, without a copy; `count` rows as they are."""
        return self.map(lambda leaf: leaf.expand(count, *leaf.shape[1:]))

    def repeat_interleave(self, times: int) -> Conditioning:
        """Every row `times` times, one after the other."""
        return self.map(lambda leaf: leaf.repeat_interleave(times, dim=0))

    def to(self, device: torch.device) -> Conditioning:
        return self.map(lambda leaf: leaf.to(device))

    def map(self, operation: Callable[[Tensor], Tensor]) -> Conditioning:
        """An operation on each tensor."""
        further = {name: operation(leaf) for name, leaf in self.further.items()}
        return Conditioning(operation(self.tokens), further)

    @staticmethod
    def concatenated(parts: Sequence[Conditioning]) -> Conditioning:
        """The rows of several, after each other."""
        tokens = torch.cat([part.tokens for part in parts])
        further = {name: torch.cat([part.further[name] for part in parts]) for name in parts[0].further}
        return Conditioning(tokens, further)


@dataclass(frozen=True, eq=False)
class Batch:
    """Draws to measure a loss at.

    Attributes:
        latents: of each draw's picture, scaled as the denoiser sees them.
        conditioning: of each draw's caption.
        noise: of each draw.
        times: each draw's place in the training schedule, from 0 (no noise) on.
    """

    latents: Float[Tensor, "n c h w"]
    conditioning: Conditioning
    noise: Float[Tensor, "n c h w"]
    times: Int[Tensor, " n"]

    def __post_init__(self) -> None:
        assert len(self.latents) == len(self.conditioning) == len(self.noise) == len(self.times)

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, rows: Rows) -> Batch:
        """Some of the draws."""
        return Batch(self.latents[rows], self.conditioning[rows], self.noise[rows], self.times[rows])

    def parts(self, size: int) -> Iterator[Batch]:
        """Yields the draws in order, `size` at a time."""
        yield from (self[start : start + size] for start in range(0, len(self), size))

    def to(self, device: torch.device) -> Batch:
        return Batch(
            self.latents.to(device),
            self.conditioning.to(device),
            self.noise.to(device),
            self.times.to(device),
        )
