"""Laws of saying how much something changed."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.unlearning.change import mean_and_error


def test_means_and_errors_are_taken_over_the_last_axis_one_row_at_a_time() -> None:
    values = np.random.default_rng(0).random((3, 5))
    means, errors = mean_and_error(values)
    for row, mean, error in zip(values, means, errors, strict=True):
        assert mean == pytest.approx(sum(row) / 5)
        assert error == pytest.approx((sum((row - mean) ** 2) / 4 / 5) ** 0.5)
        assert [float(each) for each in mean_and_error(row)] == [mean, error]


def test_a_single_value_has_no_error() -> None:
    means, errors = mean_and_error(np.array([[2.0], [3.0]]))
    assert means.tolist() == [2.0, 3.0]
    assert np.isnan(errors).all()
