"""A whole model in one file, under the names of the programs that diffusers' are converted from."""

from __future__ import annotations

import re
from pathlib import Path

from diffusers import StableDiffusionPipeline
from torch import Tensor

RESNET = {  # of the denoiser
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
ENDS = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
}  # fmt: skip
VAE = {
    r"mid_block\.resnets\.0": "mid.block_1", r"mid_block\.resnets\.1": "mid.block_2",
    r"mid_block\.attentions\.0": "mid.attn_1", "conv_norm_out": "norm_out", "conv_shortcut": "nin_shortcut",
    r"\.to_q\.": ".q.", r"\.to_k\.": ".k.", r"\.to_v\.": ".v.", r"\.to_out\.0\.": ".proj_out.",
    "group_norm": "norm", r"resnets": "block", r"(down|up)samplers\.0": r"\1sample",
}  # fmt: skip


def single_file(pipeline: Path) -> dict[str, Tensor]:
    """The weights of a pipeline, by the names that they have in one file."""
    loaded = StableDiffusionPipeline.from_pretrained(pipeline)
    layers, blocks = loaded.unet.config.layers_per_block, len(loaded.vae.config.up_block_types)
    named = {f"model.diffusion_model.{_of_unet(n, layers)}": w for n, w in loaded.unet.state_dict().items()}
    named |= {f"first_stage_model.{_of_vae(n, blocks)}": w for n, w in loaded.vae.state_dict().items()}
    beginning = "cond_stage_model.transformer.text_model."
    named |= {f"{beginning}{n}": w for n, w in loaded.text_encoder.state_dict().items()}
    return named


def _of_unet(name: str, layers: int) -> str:
    for own, other in ENDS.items():
        if name.startswith(f"{own}."):
            return name.replace(own, other, 1)
    side, *rest = name.split(".", 1)
    if side == "mid_block":
        kind, place, inside = rest[0].split(".", 2)
        return f"middle_block.{1 if kind == 'attentions' else 2 * int(place)}.{_inside(kind, inside)}"
    block, kind, place, inside = rest[0].split(".", 3)
    first, number = int(block) * (layers + 1), int(place)
    if kind == "downsamplers":
        return f"input_blocks.{first + layers + 1}.0.{inside.replace('conv', 'op')}"
    if kind == "upsamplers":
        return f"output_blocks.{first + layers}.2.{inside}"  # behind an attention
    at = (
        f"input_blocks.{first + number + 1}" if side == "down_blocks" else f"output_blocks.{first + number}"
    )
    return f"{at}.{1 if kind == 'attentions' else 0}.{_inside(kind, inside)}"


def _inside(kind: str, name: str) -> str:
    layer, end = name.rsplit(".", 1)
    return f"{RESNET[layer]}.{end}" if kind == "resnets" else name


def _of_vae(name: str, blocks: int) -> str:
    name = re.sub(r"down_blocks\.(\d+)", r"down.\1", name)
    name = re.sub(r"up_blocks\.(\d+)", lambda found: f"up.{blocks - 1 - int(found[1])}", name)
    for own, other in VAE.items():
        name = re.sub(own, other, name)
    return name
