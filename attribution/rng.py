"""Randomness that belongs to the example, never to the batch.

Every random number is a pure function of a seed, a purpose, an example's id and a draw index. It is
drawn on the CPU from a counter-based generator (Philox, Salmon et al. 2011) keyed by a hash of
those, so any subset, batch size, order or machine sees the same noise: what makes a shortlist,
resumption and sharding exact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def generator(seed: int, purpose: str, *key: str | int) -> np.random.Generator:
    """The generator for one purpose ("losses", "unlearning", ...) and key."""
    text = "\x1f".join([str(seed), purpose, *map(str, key)])
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def gaussian(
    seed: int, purpose: str, example_id: str, draw: int, shape: Sequence[int]
) -> Float[Tensor, "..."]:
    """Standard normal noise of `shape`, float32, on the CPU, for one draw of one example."""
    values = generator(seed, purpose, example_id, draw).standard_normal(tuple(shape), np.float32)
    return torch.from_numpy(values)
