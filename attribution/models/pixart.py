"""PixArt-alpha and -sigma: a DiT that attends to a T5's tokens (Chen et al., arXiv 2310.00426, 2403.04692).

Its cross-attention reads the caption after a projection of its own: what its keys and values are given, and
what `Conditioning.tokens` holds, are projected tokens, zero where there is padding, which attention masks.
The transformer itself is told the T5's tokens and the mask. Captions are put in lower case, as in training.
It predicts its variance beside the noise; the loss here is that of the noise alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from attribution.errors import ModelError
from attribution.models.batch import Conditioning
from attribution.models.caption_tokens import tokenized
from attribution.models.denoiser_model import Asked
from attribution.models.families import INDEX, Layout, Read
from attribution.models.latent_model import LatentModel
from attribution.models.pipeline_checks import (
    check_latents,
    check_parts,
    check_scheduler,
    check_transformer,
    in_folder,
)

TOKENS = {"PixArtAlphaPipeline": 120, "PixArtSigmaPipeline": 300}  # of a caption, as the library reads it
WORDS, MASK, SIZE, ASPECT = "caption", "mask", "resolution", "aspect_ratio"


def check(source: str | Path, read: Read) -> None:
    """Refuse what cannot be asked of PixArt.

    Raises:
        ModelError: says what it is.
    """
    index, transformer = read(INDEX), read("transformer")
    check_parts(source, index, PixArt.layout.parts)
    check_transformer(source, index, transformer, "PixArt", "ada_norm_single")
    width, wanted = read("text_encoder").get("d_model"), transformer.get("caption_channels")
    if width is not None and width != wanted:
        raise ModelError(
            f"the text encoder of {source} makes vectors of {width} and its transformer takes vectors of "
            f"{wanted}: they do not belong together; copy the pipeline again"
        )
    check_latents(source, "transformer", transformer, read("vae"), variance=True)
    check_scheduler(source, read("scheduler"))


class PixArt(LatentModel):
    """A PixArt pipeline."""

    layout = Layout(
        "PixArt",
        tuple(TOKENS),
        "transformer",
        ("transformer", "vae", "text_encoder"),
        ("tokenizer", "scheduler"),
        check,
    )

    def _hold(self, pipeline: Any, folder: Path) -> None:
        super()._hold(pipeline, folder)
        self.tokenizer = pipeline.tokenizer
        self.text_encoder = self._part(pipeline.text_encoder)
        self.caption_tokens = TOKENS[str(in_folder(folder)(INDEX)["_class_name"])]
        self._is_told_size = bool(pipeline.transformer.use_additional_conditions)

    @torch.no_grad()
    def encode_captions(self, captions: Sequence[str]) -> Conditioning:
        given = [caption.lower().strip() for caption in captions]
        ids, mask = (each.to(self.device) for each in tokenized(self.tokenizer, given, self.caption_tokens))
        words = self.text_encoder(ids, attention_mask=mask)[0]
        with self._whole_skeletons.using({}) as denoiser:
            projection: Any = denoiser.caption_projection
            made = projection(words.to(self.precision.dtype))
        projected = self.precision.predicted(made) * mask[:, :, None]
        further = {WORDS: words, MASK: mask}
        if self._is_told_size:
            further[SIZE] = words.new_tensor([[self.resolution] * 2]).repeat(len(given), 1)
            further[ASPECT] = words.new_ones(len(given), 1)
        return Conditioning(projected, further)

    def _denoised(
        self, denoiser: Asked, noisy: Float[Tensor, "n c h w"], times: Tensor, conditioning: Conditioning
    ) -> Float[Tensor, "n c h w"]:
        told = conditioning.further
        prediction: Tensor = denoiser(
            noisy,
            encoder_hidden_states=told[WORDS],
            encoder_attention_mask=told[MASK],
            timestep=times,
            added_cond_kwargs={name: told.get(name) for name in (SIZE, ASPECT)},
        ).sample
        return prediction[:, : self.latent_shape[0]]  # what is beyond is the variance


PIPELINES = (PixArt,)
