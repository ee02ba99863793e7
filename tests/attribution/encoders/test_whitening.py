"""Laws of whitening."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attribution.encoders.whitening import MOST_SHRINKAGE, Whitening, fit_whitening, shrinkage


def correlated(images: int, dimensions: int = 12, seed: int = 0) -> np.ndarray:
    """Vectors about a mean that is not zero; one direction varies far more than the others."""
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(dimensions, dimensions)) / dimensions
    mixing[0] *= 30
    vectors = generator.normal(size=(images, dimensions)) @ mixing + 2
    return vectors.astype(np.float32)


def test_whitened_training_vectors_have_unit_covariance_up_to_shrinkage() -> None:
    """Law: Whitened training vectors have unit covariance, up to shrinkage."""
    images, dimensions = 400, 12
    vectors = correlated(images, dimensions)
    coordinates = fit_whitening(vectors).coordinates(vectors).numpy()
    variances = np.linalg.eigvalsh(np.cov(vectors.T.astype(np.float64)))[::-1]
    share = shrinkage(images, dimensions)
    expected = variances / ((1 - share) * variances + share * variances.mean())
    np.testing.assert_allclose(coordinates.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(coordinates.T), np.diag(expected), atol=2e-2)  # the basis has 16 bits
    assert expected[0] == pytest.approx(1, abs=0.01)


def test_what_all_share_no_longer_decides_who_is_near() -> None:
    vectors = correlated(400)
    whitened = fit_whitening(vectors)(vectors)
    raw = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert np.abs(raw @ raw.T).mean() > 0.6
    assert np.abs(whitened @ whitened.T).mean() < 0.3
    np.testing.assert_allclose(np.linalg.norm(whitened, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("images", [2, 5, 12])
def test_with_fewer_images_than_dimensions_each_still_finds_itself(images: int) -> None:
    """Law: With fewer images than dimensions, each whitened image still finds itself."""
    vectors = correlated(images)
    whitening = fit_whitening(vectors)
    assert whitening.basis.shape == (12, images - 1)
    whitened = whitening(vectors)
    assert np.isfinite(whitened).all()
    assert (whitened @ whitened.T).argmax(axis=1).tolist() == list(range(images))


@pytest.mark.parametrize("images", [1, 7])
def test_pictures_that_are_all_the_same_are_alike_to_none(images: int) -> None:
    vectors = np.repeat(correlated(1), images, axis=0)
    whitened = fit_whitening(vectors)(vectors)
    np.testing.assert_allclose(whitened[0], whitened[-1])
    assert np.isfinite(whitened).all()


def test_the_fewer_images_the_more_is_shrunk() -> None:
    assert shrinkage(10, 100) == MOST_SHRINKAGE > shrinkage(100, 100) > shrinkage(10_000, 100) > 0


def test_only_the_leading_components_are_kept() -> None:
    vectors = correlated(300)
    few, all_of_them = fit_whitening(vectors, 4), fit_whitening(vectors)
    assert torch.equal(few.basis, all_of_them.basis[:, :4])
    assert (few.deviations[:-1] >= few.deviations[1:]).all()


def test_a_stored_whitening_is_the_one_that_was_fitted() -> None:
    vectors = correlated(50)
    whitening = fit_whitening(vectors)
    np.testing.assert_array_equal(Whitening(**whitening.tensors())(vectors), whitening(vectors))
