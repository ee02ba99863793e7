"""Laws of the rule by which a test bears an answer out."""

from __future__ import annotations

import pytest

from attribution.analysis.verdict import MORE, bears_out


def test_what_changes_clearly_more_than_random_images_is_borne_out() -> None:
    controls = [(0.10, 0.01), (0.20, 0.01)]
    assert bears_out((0.30, 0.01), controls)
    assert not bears_out((0.30, 0.08), controls)  # more, but not clearly


def test_a_little_more_than_random_images_is_not_enough() -> None:
    """Law: An answer is borne out by a change well beyond that of random images, however exact."""
    mean = 0.15
    controls = [(0.10, 0.0), (0.20, 0.0)]
    assert not bears_out((MORE * mean, 0.0), controls)
    assert bears_out((MORE * mean + 0.001, 0.0), controls)


def test_one_set_that_changes_everything_does_not_decide_alone() -> None:
    assert bears_out((0.5, 0.01), [(0.05, 0.01), (0.55, 0.01)])


def test_without_a_control_there_is_no_verdict() -> None:
    with pytest.raises(ValueError, match="no control"):
        bears_out((1.0, 0.1), [])
