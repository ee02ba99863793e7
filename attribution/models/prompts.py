"""Captions as a tokenizer is told them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def spelled_out(captions: Sequence[str], tokenizer: Any) -> list[str]:
    """Captions in which each token that has several embeddings is written once for each of them.

    A textual inversion `<cat>` of three vectors is `<cat> <cat>_1 <cat>_2` to the tokenizer, as diffusers'
    pipelines have it.
    """
    added = tokenizer.added_tokens_encoder
    if not any(f"{token}_1" in added for token in added):
        return list(captions)
    from diffusers.loaders import TextualInversionLoaderMixin  # seconds to import, and seldom needed

    converted: list[str] = TextualInversionLoaderMixin().maybe_convert_prompt(list(captions), tokenizer)
    return converted
