"""Captions as tokens: padded and cut to one length, as the pipelines of the diffusers library do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Int
from torch import Tensor

from attribution.models.prompts import spelled_out


def token_ids(
    tokenizer: Any, captions: Sequence[str], length: int | None = None
) -> Int[Tensor, "n length"]:
    """Token ids of captions, of a length; that of the tokenizer without one."""
    return tokenized(tokenizer, captions, length)[0]


def tokenized(
    tokenizer: Any, captions: Sequence[str], length: int | None = None
) -> tuple[Int[Tensor, "n length"], Int[Tensor, "n length"]]:
    """Token ids of captions, and 1 where a token is one of the caption's, not padding."""
    found = tokenizer(
        spelled_out(captions, tokenizer),
        padding="max_length",
        max_length=length or tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    return found.input_ids, found.attention_mask
