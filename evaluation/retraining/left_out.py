"""Which images a training leaves out: a set of rows of a training set, in few characters."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from attribution.errors import ResultError


@dataclass(frozen=True)
class LeftOut:
    """Images that are not learnt from.

    Attributes:
        count: how many.
        sha256: of their sorted ids, one a line; the first 16 digits.
        rows: one bit a training image, in order, packed and in base64: 500 characters for 3,000 images.
    """

    count: int
    sha256: str
    rows: str

    @classmethod
    def of(cls, rows: Iterable[int], ids: Sequence[str]) -> LeftOut:
        """The images of some rows of a training set with these ids."""
        mask = np.zeros(len(ids), dtype=bool)
        mask[list(rows)] = True
        packed = base64.b64encode(np.packbits(mask).tobytes()).decode()
        return cls(int(mask.sum()), _hash(mask, ids), packed)

    def mask(self, images: int) -> Bool[ndarray, " images"]:
        """True where an image of the training set is left out.

        Raises:
            ResultError: the rows are of a training set of another size.
        """
        packed = np.frombuffer(base64.b64decode(self.rows), np.uint8)
        if len(packed) != -(-images // 8):
            raise ResultError(f"rows left out are of another training set than this of {images} images")
        return np.unpackbits(packed, count=images).astype(bool)

    def ids(self, ids: Sequence[str]) -> list[str]:
        """The ids of the images, in the training set's order.

        Raises:
            ResultError: in this training set the rows are other images than those meant.
        """
        mask = self.mask(len(ids))
        if _hash(mask, ids) != self.sha256:
            raise ResultError("images left out are of another training set: make the plan anew")
        return [ids[row] for row in np.flatnonzero(mask).tolist()]


def _hash(mask: Bool[ndarray, " images"], ids: Sequence[str]) -> str:
    names = sorted(ids[row] for row in np.flatnonzero(mask).tolist())
    return hashlib.sha256("".join(f"{name}\n" for name in names).encode()).hexdigest()[:16]
