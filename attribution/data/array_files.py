"""Arrays in a safetensors file that is never made in memory: the library makes it there twice.

The arrays may be gigabytes of sums, beside the model that they are of.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping

import numpy as np
from numpy import ndarray

LETTERS = {"f": "F", "i": "I", "u": "U"}  # of a safetensors type, before its bits


def file_parts(arrays: Mapping[str, ndarray]) -> list[bytes | memoryview]:
    """What the file is, one part after the other; of the arrays themselves, no copies.

    Arrays of one type lie in it as `safetensors.numpy.save` lays them.

    Raises:
        KeyError: an array holds something other than numbers or truth values.
    """
    ordered = sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0]))
    whole = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in ordered}
    header, end = {}, 0
    for name, array in whole.items():
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": _type(array), "shape": array.shape, "data_offsets": (begin, end)}
    words = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    words += b" " * (-len(words) % 8)
    return [
        struct.pack("<Q", len(words)),
        words,
        *(a.reshape(-1).view(np.uint8).data for a in whole.values()),
    ]


def _type(array: ndarray) -> str:
    if array.dtype == bool:
        return "BOOL"
    return f"{LETTERS[array.dtype.kind]}{8 * array.itemsize}"
