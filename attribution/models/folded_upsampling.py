"""Doubling an image and convolving it, as one convolution of the smaller image.

A 3x3 convolution of an image whose every cell was doubled sees each of the smaller image's cells up to
twice in a row: the taps that see the same cell are summed beforehand. What is left, 2x2 taps for each of
four outputs, is a transposed convolution of stride 2, with 4/9 of the multiplications.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.upsampling import Upsample2D
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

# Along one dimension: which taps of the convolution make each tap of the transposed one. Its output 2r sees
# the cells r - 1 by tap 3 and r by tap 1; its output 2r + 1 the cells r by tap 2 and r + 1 by tap 0.
TAPS = ((2,), (1, 2), (0, 1), (0,))


class FoldedUpsampling(nn.Module):
    """Gives what an `Upsample2D` with a convolution gives, to rounding."""

    def __init__(self, plain: Upsample2D):
        super().__init__()
        self.plain = plain
        self.weight = nn.Parameter(folded(plain.conv.weight.detach()), requires_grad=False)

    def forward(self, hidden_states: Tensor, output_size: Any = None) -> Tensor:
        """An image (n, c, h, w) => (n, out, 2 h, 2 w), or of the size that is asked for."""
        if output_size is not None:  # not always twice as large
            larger: Tensor = self.plain(hidden_states, output_size)
            return larger
        bias = self.plain.conv.bias
        return functional.conv_transpose2d(hidden_states, self.weight, bias, stride=2, padding=1)


def folded(kernel: Float[Tensor, "out c 3 3"]) -> Float[Tensor, "c out 4 4"]:
    """The kernel of the transposed convolution; sums are taken in double precision."""
    exact = kernel.double()
    rows = torch.stack([exact[:, :, list(taps)].sum(2) for taps in TAPS], dim=2)
    both = torch.stack([rows[..., list(taps)].sum(3) for taps in TAPS], dim=3)
    return both.transpose(0, 1).to(kernel.dtype).contiguous()


def fold_upsampling(denoiser: nn.Module) -> None:
    """Put a `FoldedUpsampling` in place of every module of a denoiser that it can stand for."""
    for name, module in list(denoiser.named_modules()):
        if type(module) is Upsample2D and _can_be_folded(module):
            denoiser.set_submodule(name, FoldedUpsampling(module))


def _can_be_folded(upsampling: Upsample2D) -> bool:
    conv = upsampling.conv
    return (
        upsampling.use_conv
        and not upsampling.use_conv_transpose
        and upsampling.interpolate
        and upsampling.norm is None
        and isinstance(conv, nn.Conv2d)
        and (conv.kernel_size, conv.stride, conv.padding) == ((3, 3), (1, 1), (1, 1))
        and (conv.dilation, conv.groups, conv.padding_mode) == ((1, 1), 1, "zeros")
    )
