"""Laws of the table of what models need."""

from __future__ import annotations

import pytest

from benchmarks.model_needs import DOCUMENT, SHAPES, needs, size, written


@pytest.mark.slow
def test_the_table_of_what_models_need_is_what_their_configurations_say() -> None:
    """Law: The table of what models need is reckoned from configurations, no number by hand."""
    document = DOCUMENT.read_text(encoding="utf-8")
    assert written(document) == document


def test_a_row_counts_the_published_numbers_of_weights() -> None:
    (shape,) = (shape for shape in SHAPES if shape.name == "SD 1.5")
    _, denoiser, encoders, autoencoder, _, matrices, *_ = needs(shape)
    assert denoiser == size(4 * 859_520_964)  # as published
    assert (encoders, autoencoder) == (size(4 * 123_060_480), size(4 * 83_653_863))
    assert matrices == "32 matrices"  # keys and values of 16 layers


def test_sizes_are_in_the_units_that_people_use() -> None:
    assert [size(count) for count in (2048, 3 * 2**20, 5 * 2**30)] == ["2 KiB", "3.0 MiB", "5.0 GiB"]
