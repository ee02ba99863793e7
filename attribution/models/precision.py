"""Which precision a denoiser computes in: its weights and what lies between its layers.

Losses, gradients and the layers that are unlearned in are in single precision whatever it is: an update may
be less than half a unit of the last place of a rounded weight, and a score is a small difference of two
losses.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attribution.models.batch import Conditioning


@dataclass(frozen=True)
class Precision:
    """A precision, by the name that people have for it."""

    name: str
    dtype: torch.dtype

    @property
    def is_half(self) -> bool:
        return self.dtype != torch.float32

    def rounded(
        self, denoiser: nn.Module, chosen: Mapping[str, nn.Module]
    ) -> tuple[nn.Module, Mapping[str, nn.Module]]:
        """A denoiser in it, and its chosen layers as they were loaded: copies where these are rounded."""
        if not self.is_half:
            return denoiser, chosen
        exact = {name: copy.deepcopy(module) for name, module in chosen.items()}
        return nn.Module.to(denoiser, self.dtype), exact

    def told(self, noisy: Tensor, conditioning: Conditioning) -> tuple[Tensor, Conditioning]:
        """What a denoiser is given, in its precision; whole numbers as they are."""
        if not self.is_half:
            return noisy, conditioning
        numbers = conditioning.map(lambda leaf: leaf.to(self.dtype) if leaf.is_floating_point() else leaf)
        return noisy.to(self.dtype), numbers

    def predicted(self, prediction: Tensor) -> Tensor:
        """What it predicted, in single precision."""
        return prediction.float() if self.is_half else prediction

    def loss_scale(self, latent_shape: Sequence[int]) -> float:
        """What losses are multiplied by before they are differentiated (Micikevicius et al. 2018).

        A loss is a mean over a latent's elements, whose gradients would vanish in fp16; their sum's do not.
        """
        return float(math.prod(latent_shape)) if self.dtype == torch.float16 else 1.0

    @property
    def fingerprint(self) -> str:
        """What artifacts of it are bound to."""
        return str(self.dtype).removeprefix("torch.")


SINGLE = Precision("fp32", torch.float32)
PRECISIONS: Mapping[str, Precision] = {
    each.name: each
    for each in (SINGLE, Precision("bf16", torch.bfloat16), Precision("fp16", torch.float16))
}


def precision_of(fingerprint: str) -> Precision:
    """The precision that artifacts are bound to."""
    return next(each for each in PRECISIONS.values() if each.fingerprint == fingerprint)
