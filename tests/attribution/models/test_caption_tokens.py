"""Laws of captions as tokens."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch

from attribution.models.caption_tokens import beyond, token_ids, tokenized
from tests.worlds.foreign import TOKENS, make_tokenizer

CAPTIONS = ["a red bar", "a blue square on snow", "red"]


def test_callers_at_once_get_tokens_of_the_length_that_each_asked_for() -> None:
    """Law: Captions are tokenised alike whoever else is asking for another length at the same time."""
    tokenizer = make_tokenizer()
    expected = {length: token_ids(tokenizer, CAPTIONS, length) for length in (TOKENS, 5)}
    unread = beyond(tokenizer, "b" * 20)

    def asked(number: int) -> bool:
        if number % 3 == 2:
            return beyond(tokenizer, "b" * 20) == unread
        length = (TOKENS, 5)[number % 3]
        return torch.equal(token_ids(tokenizer, CAPTIONS, length), expected[length])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(asked, range(900)))


def test_what_lies_beyond_is_what_the_tokens_leave_out() -> None:
    tokenizer = make_tokenizer()
    assert beyond(tokenizer, "a red bar") == ""
    cut = beyond(tokenizer, "b" * 20)
    assert 0 < len(cut) < 20
    ids, mask = tokenized(tokenizer, ["b" * (20 - len(cut)), "a"])
    assert (ids.shape, mask.sum(dim=1).tolist()[0]) == ((2, TOKENS), TOKENS)  # it was just full
