"""Randomness that belongs to the example, never to the batch.

Every random number is a pure function of a seed, a purpose, an example's id and a draw index. It is
drawn on the CPU from a counter-based generator (Philox, Salmon et al. 2011) keyed by a hash of
those, so any subset, batch size, order or machine sees the same noise: what makes a shortlist,
resumption and sharding exact.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

_own = threading.local()


def generator(seed: int, purpose: str, *key: str | int) -> np.random.Generator:
    """The generator for one purpose ("losses", "unlearning", ...) and key."""
    return np.random.Generator(np.random.Philox(key=int.from_bytes(_hash(seed, purpose, *key), "little")))


def gaussian(
    seed: int, purpose: str, example_id: str, draw: int, shape: Sequence[int]
) -> Float[Tensor, "..."]:
    """Standard normal noise of `shape`, float32, on the CPU, for one draw of one example."""
    own = _started_anew(_hash(seed, purpose, example_id, draw))
    return torch.from_numpy(own.standard_normal(tuple(shape), np.float32))


def _hash(seed: int, purpose: str, *key: str | int) -> bytes:
    """128 bits, in the order of a little-endian number."""
    text = "\x1f".join([str(seed), purpose, *map(str, key)])
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _started_anew(key: bytes) -> np.random.Generator:
    """A generator of this thread's own, with nothing drawn yet: what `generator` makes, in half the time.

    Making one asks the system for entropy, whatever key it is given.
    """
    if not hasattr(_own, "generator"):
        _own.generator = np.random.Generator(np.random.Philox(key=0))
    nothing = np.zeros(4, np.uint64)
    found: np.random.Generator = _own.generator
    found.bit_generator.state = {
        "bit_generator": "Philox",
        "state": {"counter": nothing, "key": np.frombuffer(key, "<u8").astype(np.uint64)},
        "buffer": nothing,
        "buffer_pos": len(nothing),  # all of it is used
        "has_uint32": 0,
        "uinteger": 0,
    }
    return found
