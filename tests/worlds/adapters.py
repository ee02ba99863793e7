"""Adapters of a pipeline with random weights, in the formats in which diffusers and peft save them."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from diffusers.models.attention_processor import CustomDiffusionAttnProcessor
from diffusers.utils import convert_state_dict_to_diffusers
from diffusers.utils.state_dict_utils import convert_state_dict_to_kohya
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file

LORA = "pytorch_lora_weights.safetensors"  # as diffusers calls them
WEIGHTS = "pytorch_custom_diffusion_weights"
TOKEN = "<cat>"
UNET_CONFIG = {"r": 2, "lora_alpha": 5, "target_modules": ["to_k", "to_q", "to_v", "to_out.0"]}
WITH_CONVOLUTIONS = UNET_CONFIG | {"target_modules": ["to_k", "to_v", "proj_in", "conv1"]}
TEXT_CONFIG = {"r": 3, "lora_alpha": 3, "target_modules": ["q_proj", "v_proj"]}


def lora_config(options: dict[str, object]) -> LoraConfig:
    """One whose matrices all begin random: as saved after training, not before."""
    return LoraConfig(**options, init_lora_weights=False)


def make_lora(base: Path, folder: Path, seed: int = 0) -> Path:
    """Of the U-Net and the text encoder, as diffusers' training scripts save it, with configurations."""
    torch.manual_seed(seed)
    trained = StableDiffusionPipeline.from_pretrained(base)
    trained.unet.add_adapter(lora_config(UNET_CONFIG))
    trained.text_encoder.add_adapter(lora_config(TEXT_CONFIG))
    unet, text_encoder = (
        convert_state_dict_to_diffusers(get_peft_model_state_dict(part, adapter_name="default"))
        for part in (trained.unet, trained.text_encoder)
    )
    StableDiffusionPipeline.save_lora_weights(
        folder,
        unet,
        text_encoder,
        unet_lora_adapter_metadata=trained.unet.peft_config["default"].to_dict(),
        text_encoder_lora_adapter_metadata=trained.text_encoder.peft_config["default"].to_dict(),
    )
    return folder / LORA


def make_kohya_lora(base: Path, folder: Path) -> Path:
    """Of the U-Net, with the names and the `alpha` of kohya's scripts."""
    torch.manual_seed(1)
    unet = StableDiffusionPipeline.from_pretrained(base).unet
    unet.add_adapter(lora_config(WITH_CONVOLUTIONS))
    tensors = {f"unet.{name}": tensor for name, tensor in get_peft_model_state_dict(unet).items()}
    folder.mkdir()
    save_file(convert_state_dict_to_kohya(tensors), folder / "style.safetensors")
    return folder / "style.safetensors"


def make_peft_lora(base: Path, folder: Path) -> Path:
    """Of the U-Net alone, with peft's own configuration beside."""
    torch.manual_seed(2)
    base_unet = StableDiffusionPipeline.from_pretrained(base).unet
    unet = get_peft_model(base_unet, lora_config(WITH_CONVOLUTIONS))
    unet.save_pretrained(folder)
    return folder


def make_custom_diffusion(
    base: Path, folder: Path, pickled: bool = False, queries: bool = False
) -> StableDiffusionPipeline:
    """Keys, values and a token, as diffusers' training script saves them; returns what was trained.

    Args:
        queries: of the latent and output projections as well.
    """
    torch.manual_seed(3)
    trained = StableDiffusionPipeline.from_pretrained(base)
    processors = {}
    for name in trained.unet.attn_processors:
        layer, reads_captions = trained.unet.get_submodule(name.removesuffix(".processor")), "attn2" in name
        out, width = layer.to_k.weight.shape
        processors[name] = CustomDiffusionAttnProcessor(
            reads_captions, reads_captions and queries, out, width if reads_captions else None
        )
    trained.unet.set_attn_processor(processors)
    file = f"{WEIGHTS}.{'bin' if pickled else 'safetensors'}"
    trained.unet.save_attn_procs(folder, weight_name=file, safe_serialization=not pickled)
    token = {"<new1>": torch.randn(24)}
    if pickled:
        torch.save(token, folder / "<new1>.bin")
    else:
        save_file(token, folder / "<new1>.safetensors")
    trained.load_textual_inversion(token)
    return trained


def make_tokens(folder: Path, vectors: int = 3) -> Path:
    """A textual inversion of several embeddings."""
    torch.manual_seed(4)
    folder.mkdir(parents=True, exist_ok=True)
    save_file({TOKEN: torch.randn(vectors, 24)}, folder / "learned_embeds.safetensors")
    return folder / "learned_embeds.safetensors"
