"""Captions as tokens: padded and cut to one length, as the pipelines of the diffusers library do.

A tokenizer keeps to what length it pads and cuts from one call to the next: callers at once would get each
other's, so each waits for the one before.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from jaxtyping import Int
from torch import Tensor

from attribution.models.prompts import spelled_out

_ONE_CALLER = threading.Lock()  # of any tokenizer: they take milliseconds


def token_ids(
    tokenizer: Any, captions: Sequence[str], length: int | None = None
) -> Int[Tensor, "n length"]:
    """Token ids of captions, of a length; that of the tokenizer without one."""
    return tokenized(tokenizer, captions, length)[0]


def tokenized(
    tokenizer: Any, captions: Sequence[str], length: int | None = None
) -> tuple[Int[Tensor, "n length"], Int[Tensor, "n length"]]:
    """Token ids of captions, and 1 where a token is one of the caption's, not padding."""
    with _ONE_CALLER:
        found = tokenizer(
            spelled_out(captions, tokenizer),
            padding="max_length",
            max_length=length or tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
    return found.input_ids, found.attention_mask


def beyond(tokenizer: Any, caption: str, length: int | None = None) -> str:
    """What of a caption lies beyond so many tokens; "" where it is all within them."""
    with _ONE_CALLER:
        room = (length or tokenizer.model_max_length) - tokenizer.num_special_tokens_to_add()
        ids = tokenizer(caption, add_special_tokens=False, verbose=False).input_ids
        words: str = tokenizer.decode(ids[room:])
    return words.strip()
