"""Customised models in the formats that diffusers saves, and the pipeline with a new word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from diffusers.models.attention_processor import CustomDiffusionAttnProcessor
from safetensors.torch import save_file
from torch import Tensor

from demo.saving import save_pipeline

LEARNED = "learned_embeds.safetensors"


def pipeline_with(folder: Path, token: str, alike: Sequence[str]) -> StableDiffusionPipeline:
    """The pipeline in a folder, in single precision, that knows one more word.

    Args:
        alike: words that it knows; the new one begins as their mean.
    """
    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    tokenizer, encoder = pipeline.tokenizer, pipeline.text_encoder
    known = tokenizer(" ".join(alike), add_special_tokens=False).input_ids
    tokenizer.add_tokens(token)
    encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    words = encoder.get_input_embeddings().weight
    with torch.no_grad():
        words[-1] = words[known].mean(dim=0)
    return pipeline


def save_custom_diffusion(pipeline: StableDiffusionPipeline, folder: Path, token: str) -> None:
    """As diffusers' example script does: keys and values as attention processors, the word beside them."""
    unet = pipeline.unet
    weights, processors = unet.state_dict(), {}
    for name in unet.attn_processors:
        layer = name.removesuffix(".processor")
        if not layer.endswith("attn2"):
            processors[name] = CustomDiffusionAttnProcessor(train_kv=False, train_q_out=False)
            continue
        keys, values = weights[f"{layer}.to_k.weight"], weights[f"{layer}.to_v.weight"]
        processor = CustomDiffusionAttnProcessor(
            train_q_out=False, hidden_size=keys.shape[0], cross_attention_dim=keys.shape[1]
        )
        processor.load_state_dict(
            {"to_k_custom_diffusion.weight": keys, "to_v_custom_diffusion.weight": values}
        )
        processors[name] = processor.half()
    unet.set_attn_processor(processors)
    unet.save_attn_procs(folder)
    save_file({token: new_word(pipeline)}, folder / f"{token}.safetensors")


def save_textual_inversion(pipeline: StableDiffusionPipeline, folder: Path, token: str) -> None:
    """The word alone."""
    folder.mkdir(exist_ok=True)
    save_file({token: new_word(pipeline)}, folder / LEARNED)


def save_lora(pipeline: StableDiffusionPipeline, folder: Path, token: str) -> None:
    """LoRA's weights under peft's names, and the word beside them.

    diffusers' own names exist for attention alone: a file that mixes both is read back in part.
    """
    from peft.utils import get_peft_model_state_dict

    layers = get_peft_model_state_dict(pipeline.unet)
    StableDiffusionPipeline.save_lora_weights(folder, unet_lora_layers=layers)
    save_file({token: new_word(pipeline)}, folder / LEARNED)


def save_dreambooth(pipeline: StableDiffusionPipeline, folder: Path, token: str) -> None:
    """A pipeline of its own, the word in its vocabulary."""
    save_pipeline(pipeline.to("cpu", torch.float16), folder)


def new_word(pipeline: StableDiffusionPipeline) -> Tensor:
    """The embedding of the last word."""
    word: Tensor = pipeline.text_encoder.get_input_embeddings().weight[-1].detach().clone()
    return word


SAVE: dict[str, Callable[[StableDiffusionPipeline, Path, str], None]] = {
    "custom-diffusion": save_custom_diffusion,
    "textual-inversion": save_textual_inversion,
    "lora": save_lora,
    "dreambooth": save_dreambooth,
}
