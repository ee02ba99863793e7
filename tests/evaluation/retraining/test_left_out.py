"""Laws of the images that a training leaves out."""

from __future__ import annotations

import pytest

from attribution.errors import ResultError
from evaluation.retraining.left_out import LeftOut

IDS = [f"e{row}" for row in range(21)]


def test_images_left_out_are_read_as_they_were_written() -> None:
    left_out = LeftOut.of((20, 3, 8), IDS)
    assert left_out.count == 3
    assert left_out.ids(IDS) == ["e3", "e8", "e20"]
    assert LeftOut.of((), IDS).ids(IDS) == []


def test_images_left_out_do_not_depend_on_their_order() -> None:
    assert LeftOut.of((1, 2), IDS) == LeftOut.of((2, 1), IDS) != LeftOut.of((1, 3), IDS)


def test_images_left_out_are_refused_in_another_training_set() -> None:
    """Law: Images left out of one training set are refused in another, even one of the same size."""
    left_out = LeftOut.of((3, 8), IDS)
    with pytest.raises(ResultError, match="another training set"):
        left_out.ids([f"other{row}" for row in range(21)])
    with pytest.raises(ResultError, match="another training set"):
        left_out.ids(IDS[:8])
