"""A standard CLIP tokenizer whose vocabulary is the embedded world's own words.

Byte-pair merges are learnt from the captions until every word of theirs is one token; any other
word falls apart into letters, so nothing a person types is lost.
"""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import trainers
from transformers import CLIPTokenizer

from demo.vocabulary import all_captions

MAX_LENGTH = 20  # tokens, both ends included; the longest caption of the grammar has 16
BOS, EOS = "<|startoftext|>", "<|endoftext|>"


def build_tokenizer(folder: Path | None = None) -> CLIPTokenizer:
    """The tokenizer; saved into `folder` if one is given."""
    learner = CLIPTokenizer()
    words = sorted({word for caption in all_captions() for word in caption.replace(",", " ,").split()})
    trainer = trainers.BpeTrainer(
        vocab_size=100_000,  # never reached: merging ends when every word is one token
        min_frequency=0,
        show_progress=False,
        special_tokens=[BOS, EOS],
        initial_alphabet=list("abcdefghijklmnopqrstuvwxyz0123456789.,'-!?"),
        end_of_word_suffix="</w>",
    )
    backend = learner.backend_tokenizer
    backend.train_from_iterator([*words, *"abcdefghijklmnopqrstuvwxyz"], trainer)
    state = json.loads(backend.to_str())["model"]
    tokenizer = CLIPTokenizer(
        vocab=state["vocab"],
        merges=[tuple(merge) for merge in state["merges"]],
        model_max_length=MAX_LENGTH,
    )
    if folder is not None:
        tokenizer.save_pretrained(folder)
    return tokenizer
