"""What a model was taught with all its weights, as a LoRA of its base: a hundredth of the bytes.

Of the change of each layer its best approximation of low rank is kept, which is its singular value
decomposition cut short (Eckart and Young 1936); norms, biases and the words that the base knows stay as
they are. Of what fine-tuning by DreamBooth does to the embedded model's pictures little is lost.
"""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor, nn

from demo.customise.saving import LEARNED, new_word

RANK = 8  # of each layer's change
Factors = tuple[Float[Tensor, "rank in_ *kernel"], Float[Tensor, "out rank *one"]]


def factors_of(change: Float[Tensor, "out in_ *kernel"], rank: int) -> Factors:
    """A and B of LoRA, whose product is nearest to a layer's change; singular values are shared out."""
    left, values, right = torch.linalg.svd(change.flatten(1), full_matrices=False)
    rank, roots = min(rank, len(values)), values[:rank].sqrt()
    down = (roots[:, None] * right[:rank]).reshape(rank, *change.shape[1:])
    up = left[:, :rank] * roots
    return down.half().contiguous(), up.reshape(*up.shape, *[1] * (change.dim() - 2)).half().contiguous()


def low_rank_changes(base: nn.Module, taught: nn.Module, rank: int = RANK) -> dict[str, Tensor]:
    """Of all linear and convolutional layers, under the names that peft gives them."""
    found: dict[str, Tensor] = {}
    for (name, before), after in zip(base.named_modules(), taught.modules(), strict=True):
        if isinstance(before, nn.Linear | nn.Conv2d):
            assert isinstance(after, type(before)), "a model is taught, and not another one"
            down, up = factors_of(after.weight.detach() - before.weight.detach(), rank)
            found |= {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}
    return found


def save_difference(base: Path, taught: Path, folder: Path, token: str, rank: int = RANK) -> None:
    """Write the difference of two pipelines, and the new word, as diffusers saves adapters.

    Args:
        taught: the base's pipeline, with other weights and one word more.
    """
    before, after = (
        StableDiffusionPipeline.from_pretrained(each, dtype=torch.float32) for each in (base, taught)
    )
    StableDiffusionPipeline.save_lora_weights(
        folder,
        unet_lora_layers=low_rank_changes(before.unet, after.unet, rank),
        text_encoder_lora_layers=low_rank_changes(before.text_encoder, after.text_encoder, rank),
    )
    save_file({token: new_word(after)}, folder / LEARNED)
