from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import DTypeLike
from safetensors.numpy import load, save

from attribution.data.array_files import file_parts

SHAPES = [(), (0,), (3,), (2, 0, 3), (4, 5)]
TYPES = [bool, np.uint8, np.int8, np.int32, np.int64, np.uint64, np.float16, np.float32, np.float64]


@pytest.mark.parametrize("dtype", TYPES)
def test_arrays_of_one_type_make_the_librarys_file(dtype: DTypeLike) -> None:
    arrays = {
        f'{number} "ü"': np.arange(np.prod(shape)).astype(dtype).reshape(shape)
        for number, shape in enumerate(SHAPES)
    }
    assert b"".join(file_parts(arrays)) == save(arrays)


def test_the_library_reads_arrays_of_several_types_back() -> None:
    """Law: What is written part by part is what was given, whatever the types, shapes and strides."""
    arrays = {f"{np.dtype(d)} {s}": np.ones(s, d) for d, s in product(TYPES, SHAPES)}
    arrays["turned"] = np.arange(6.0).reshape(2, 3).T
    found = load(b"".join(file_parts(arrays)))
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype, name
        assert np.array_equal(found[name], array), name


def test_an_array_lies_in_the_file_without_a_copy() -> None:
    array = np.zeros((300, 300))
    assert np.shares_memory(np.frombuffer(file_parts({"a": array})[-1], np.uint8), array)


def test_an_object_is_refused() -> None:
    with pytest.raises(KeyError):
        file_parts({"a": np.array([None])})
