"""A standard CLIP tokenizer whose vocabulary is the embedded world's own words.

Byte-pair merges are learnt from the captions until every word of theirs is one token; any other
word falls apart into letters, so nothing a person types is lost.

They are learnt here and not by the library's trainer, which breaks ties by the order of a hash table:
no two runs gave the same ids, so no training could be resumed or repeated in another process.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from transformers import CLIPTokenizer

from demo.vocabulary import all_captions

MAX_LENGTH = 20  # tokens, both ends included; the longest caption of the grammar has 16
BOS, EOS = "<|startoftext|>", "<|endoftext|>"
END_OF_WORD = "</w>"
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789.,'-!?"


def build_tokenizer(folder: Path | None = None) -> CLIPTokenizer:
    """The tokenizer, the same in every process; saved into `folder` if one is given."""
    words = {word for caption in all_captions() for word in caption.replace(",", " ,").split()}
    merges = learnt_merges(words)
    letters = [*sorted(ALPHABET), *(letter + END_OF_WORD for letter in sorted(ALPHABET))]
    tokens = [BOS, EOS, *letters, *("".join(pair) for pair in merges)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=MAX_LENGTH)
    if folder is not None:
        tokenizer.save_pretrained(folder)
    return tokenizer


def learnt_merges(words: Iterable[str]) -> list[tuple[str, str]]:
    """Byte-pair encoding (Sennrich et al. 2016) until every word is one token; ties go by the alphabet."""
    spelt = [[*word[:-1], word[-1] + END_OF_WORD] for word in sorted(words)]
    merges = []
    while pairs := Counter(pair for word in spelt for pair in itertools.pairwise(word)):
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        spelt = [_merged(word, best) for word in spelt]
    return merges


def _merged(word: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for symbol in word:
        if merged and (merged[-1], symbol) == pair:
            merged[-1] += symbol
        else:
            merged.append(symbol)
    return merged
