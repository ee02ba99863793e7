"""Laws of doubling and convolving at once."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.upsampling import Upsample2D
from torch import nn

from attribution.models.folded_upsampling import FoldedUpsampling, fold_upsampling


@pytest.mark.parametrize(("height", "width"), [(4, 4), (1, 1), (3, 5)])
def test_a_folded_upsampling_gives_what_the_plain_one_gives(height: int, width: int) -> None:
    torch.manual_seed(0)
    plain = Upsample2D(6, use_conv=True, out_channels=5).double()
    image = torch.randn(2, 6, height, width, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(FoldedUpsampling(plain)(image), plain(image), rtol=1e-10, atol=1e-10)


def test_a_size_that_is_asked_for_is_given() -> None:
    plain = Upsample2D(2, use_conv=True)
    image = torch.randn(1, 2, 3, 3)
    with torch.no_grad():
        assert torch.equal(FoldedUpsampling(plain)(image, (5, 6)), plain(image, (5, 6)))


def test_only_what_can_be_folded_is() -> None:
    denoiser = nn.Sequential(
        Upsample2D(2, use_conv=True),
        Upsample2D(2, use_conv=False),
        Upsample2D(2, use_conv=True, use_conv_transpose=True),
        Upsample2D(2, use_conv=True, kernel_size=5, padding=2),
        Upsample2D(2, use_conv=True, norm_type="ln_norm"),
    )
    fold_upsampling(denoiser)
    assert [type(module) is FoldedUpsampling for module in denoiser] == [True, *[False] * 4]
