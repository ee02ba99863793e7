"""CLIP (Radford et al. 2021): any transformers CLIPModel folder or hub id, pictures and captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from attribution.encoders.base import (
    EncoderReader,
    Vectors,
    module_fingerprint,
    pixel_batch,
    preprocessing,
    unit_rows,
    unreadable,
)
from attribution.errors import ModelError
from attribution.plugins import one_at_a_time

# Of the original release; most checkpoints keep them, those that do not say so.
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
ENDS = (
    "<|startoftext|>",
    "<|endoftext|>",
    "<|endoftext|>",
    "<|endoftext|>",
)  # begin, end, padding, unknown


class ClipEncoder:
    """Pictures and captions in one space.

    Args:
        model: a CLIPModel of the transformers library, and its tokenizer.
        mean, std: of the pixels, a channel.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        mean: Sequence[float],
        std: Sequence[float],
    ):
        self.model, self.tokenizer, self.mean, self.std = model, tokenizer, tuple(mean), tuple(std)
        self.size = int(model.config.vision_config.image_size)
        self.max_tokens = int(model.config.text_config.max_position_embeddings)
        vocabulary = sorted(tokenizer.get_vocab().items())
        ends = tuple(getattr(tokenizer, f"{name}_token") for name in ("bos", "eos", "pad", "unk"))
        other = () if ends == ENDS else (ends,)  # the original's were not told of in fingerprints at first
        self.fingerprint = module_fingerprint(model, self.size, self.mean, self.std, vocabulary, *other)

    @torch.inference_mode()
    def images(self, images: Sequence[Image.Image]) -> Vectors:
        pixels = pixel_batch(images, self.size, self.mean, self.std)
        return unit_rows(_features(self.model.get_image_features(pixels.to(self.model.device))))

    @torch.inference_mode()
    def captions(self, captions: Sequence[str]) -> Vectors:
        tokens = self.tokenizer(
            list(captions),
            padding="max_length",
            max_length=self.max_tokens,
            truncation=True,
            return_tensors="pt",
        ).to(self.model.device)
        return unit_rows(
            _features(
                self.model.get_text_features(
                    input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
                )
            )
        )


def _features(output: object) -> Tensor:
    """transformers 5 wraps the features in an output object."""
    features = getattr(output, "pooler_output", output)
    assert isinstance(features, Tensor)
    return features


@one_at_a_time
def open_clip(source: str, device: str) -> ClipEncoder:
    """Read a checkpoint.

    Raises:
        ModelError: it is not there, not a whole CLIPModel, or the hub cannot be reached.
    """
    from transformers import CLIPModel, CLIPTokenizer  # seconds to import: where a checkpoint is read

    try:
        model, loading = CLIPModel.from_pretrained(
            source, use_safetensors=True, output_loading_info=True, dtype=torch.float32
        )
        tokenizer = CLIPTokenizer.from_pretrained(source)
        if loading["missing_keys"]:
            raise ModelError(f"it has no {sorted(loading['missing_keys'])[0]}")
        wanted = preprocessing(source)
    except Exception as problem:  # transformers and the hub raise a wide family
        raise unreadable("clip", source, problem) from problem
    mean, std = wanted.get("image_mean", MEAN), wanted.get("image_std", STD)
    return ClipEncoder(model.eval().requires_grad_(False).to(device), tokenizer, mean, std)


ENCODERS = (EncoderReader("clip", "openai/clip-vit-base-patch32", True, open_clip),)
