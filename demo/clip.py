"""A small CLIP: pictures and captions in one space (Radford et al. 2021), as a standard `CLIPModel`.

Which object stands on which side matters to a caption, so views are never flipped and hardly cropped.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTokenizer, CLIPVisionConfig

from demo.augment import Views, views
from demo.autoencoder import to_model_range
from demo.scenes import SIZE
from demo.sizes import Sizes
from training.loop import Recipe

PATCH = 8  # pixels
HEAD = 32  # channels an attention head
HIGHEST_SCALE = 4.6  # of the logits, as a logarithm; the paper's clip at 100

RECIPE = Recipe(steps=350, batch=128, learning_rate=1.5e-3, decay_from=0.3, weight_decay=0.05, ema=0.99)
VIEWS = Views(
    area=(0.7, 1.0),
    aspect=1.1,
    overhang=0.06,
    brightness=0.3,
    contrast=0.3,
    saturation=0.3,
    hue=0.15,
    blur=0.3,
)


def new_clip(sizes: Sizes, tokenizer: CLIPTokenizer) -> CLIPModel:
    """Fresh weights; deterministic."""
    torch.manual_seed(0)  # transformers draws initial weights from the global generator
    width = sizes.clip_width
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=max(1, sizes.clip_layers // 2),
        num_attention_heads=max(1, width // HEAD),
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        projection_dim=width,
    )
    vision = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=sizes.clip_layers,
        num_attention_heads=max(1, width // HEAD),
        image_size=SIZE,
        patch_size=PATCH,
        projection_dim=width,
    )
    config = CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=width)
    model = CLIPModel(config)
    model.set_attn_implementation("eager")  # twice as fast to train at this size on a CPU
    return model


def tokenized(tokenizer: CLIPTokenizer, captions: Sequence[str]) -> Int[Tensor, "n tokens"]:
    """Token ids, all padded to the tokenizer's full length."""
    length = tokenizer.model_max_length
    ids = tokenizer(list(captions), padding="max_length", truncation=True, max_length=length).input_ids
    return torch.tensor(ids)


class ContrastiveLoss:
    """Both directions of the contrastive loss. Captions that are equal are each other's positives."""

    def __init__(
        self,
        model: CLIPModel,
        tokenizer: CLIPTokenizer,
        pixels: UInt8[np.ndarray, "n 64 64 3"],
        captions: Sequence[str],
        recipe: Recipe,
    ):
        self.model, self.recipe, self.pixels = model, recipe, pixels
        self.ids = tokenized(tokenizer, captions)

    def __call__(self, step: int, rows: Sequence[int]) -> Tensor:
        pictures = to_model_range(self.pixels[list(rows)])
        pictures = views(pictures, rows, VIEWS, self.recipe.seed, "clip", step)
        ids = self.ids[list(rows)]
        same = (ids[:, None] == ids[None]).all(-1).float()
        device = self.model.device
        with torch.autocast(device.type, torch.bfloat16):
            image = self.model.get_image_features(pictures.to(device)).pooler_output
            text = self.model.get_text_features(ids.to(device)).pooler_output
        scale = self.model.logit_scale.clamp(max=HIGHEST_SCALE).exp()
        logits = scale * normalized(image) @ normalized(text).T
        target = (same / same.sum(1, keepdim=True)).to(device)  # symmetric: equality is
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def normalized(features: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Unit length, float32."""
    return F.normalize(features.float(), dim=-1)


@torch.no_grad()
def embed_images(
    model: CLIPModel, pixels: UInt8[np.ndarray, "n 64 64 3"], batch: int = 128
) -> Float[Tensor, "n d"]:
    """Unit-length image embeddings."""
    starts = range(0, len(pixels), batch)
    parts = [model.get_image_features(to_model_range(pixels[i : i + batch])) for i in starts]
    return normalized(torch.cat([part.pooler_output for part in parts]))


@torch.no_grad()
def embed_captions(
    model: CLIPModel, tokenizer: CLIPTokenizer, captions: Sequence[str], batch: int = 256
) -> Float[Tensor, "n d"]:
    """Unit-length caption embeddings."""
    ids = tokenized(tokenizer, captions)
    starts = range(0, len(ids), batch)
    parts = [model.get_text_features(ids[i : i + batch]) for i in starts]
    return normalized(torch.cat([part.pooler_output for part in parts]))


def recall(similarity: Float[Tensor, "n n"], k: int) -> float:
    """Share of rows whose own column is among the k most similar."""
    own = similarity.diagonal()[:, None]
    return float(((similarity > own).sum(1) < k).float().mean())
