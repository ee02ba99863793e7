"""The shapes in the library's signatures are promises; under test they are kept."""

from __future__ import annotations

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from attribution.results import Scores


def test_shapes_are_checked_under_test() -> None:
    Scores(np.arange(3), np.zeros(3))
    with pytest.raises(TypeCheckError, match="values"):
        Scores(np.arange(3), np.zeros((3, 1)))
    with pytest.raises(TypeCheckError, match="candidates"):
        Scores(np.arange(3), np.zeros(4))
