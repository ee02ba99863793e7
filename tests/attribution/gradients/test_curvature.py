"""Laws of the curvatures, on a model whose exact Fisher information can be formed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from attribution.gradients.curvature import (
    INPUTS,
    Curvature,
    Diagonal,
    EigenKronecker,
    eigenbases,
    eigenvalue_chunk,
    kronecker_chunk,
    rotate,
    rotate_back,
)
from attribution.gradients.fisher import draw_batches, fisher_chunk, mean_of_chunks
from attribution.models.batch import Conditioning
from tests.worlds.linear_model import LinearModel

OUT, WIDTH, COUNT, DRAWS = 6, 4, 12, 3
IDS = [f"e{k}" for k in range(COUNT)]


@pytest.fixture(scope="module")
def model() -> LinearModel:
    return LinearModel(OUT, WIDTH)


@pytest.fixture(scope="module")
def captions() -> Conditioning:
    mixing = torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(5))
    return Conditioning(torch.randn(COUNT, 1, WIDTH, generator=torch.Generator().manual_seed(4)) @ mixing)


@pytest.fixture(scope="module")
def exact(model: LinearModel, captions: Conditioning) -> Tensor:
    """The whole Fisher information, (out in) x (out in)."""
    latents = torch.zeros(COUNT, *model.latent_shape)
    (batch,) = draw_batches(model, latents, captions, IDS, DRAWS, seed=0)
    flat = batch.factors["w"].per_draw().double().flatten(1)
    return flat.T @ flat / len(flat)


@pytest.fixture(scope="module")
def ekfac(model: LinearModel, captions: Conditioning) -> EigenKronecker:
    latents = torch.zeros(COUNT, *model.latent_shape)
    chunks = [(slice(0, 5), 4), (slice(5, 12), 3)]  # uneven in chunks and in batches
    bases = eigenbases(
        mean_of_chunks(
            kronecker_chunk(model, latents[s], captions[s], IDS[s], DRAWS, 0, batch) for s, batch in chunks
        )
    )
    values = mean_of_chunks(
        eigenvalue_chunk(model, latents[s], captions[s], IDS[s], DRAWS, 0, bases, batch)
        for s, batch in chunks
    )
    return EigenKronecker(bases, values, damping=0.1)


def whole_basis(ekfac: EigenKronecker) -> Tensor:
    """The Kronecker product of the two bases, for gradients flattened row by row."""
    return torch.kron(ekfac.bases["w"].double(), ekfac.bases[INPUTS].double())


def test_eigenvalues_are_the_diagonal_of_the_fisher_in_the_eigenbasis(
    exact: Tensor, ekfac: EigenKronecker
) -> None:
    """Law: EK-FAC's eigenvalues are the diagonal of the Fisher information in the Kronecker factors'
    eigenbasis.
    """
    u = whole_basis(ekfac)
    torch.testing.assert_close(
        ekfac.eigenvalues["w"].flatten(), (u.T @ exact @ u).diagonal(), rtol=1e-4, atol=1e-8
    )


def test_bases_are_orthonormal_and_rotation_can_be_undone(ekfac: EigenKronecker) -> None:
    for basis in ekfac.bases.values():
        torch.testing.assert_close(basis.T @ basis, torch.eye(len(basis)), rtol=0, atol=1e-5)
    g = torch.randn(3, OUT, WIDTH, dtype=torch.float64)
    torch.testing.assert_close(
        rotate_back(rotate(g, ekfac.bases, "w"), ekfac.bases, "w"), g, rtol=1e-5, atol=1e-6
    )


def test_the_error_to_the_exact_fisher_is_no_larger_than_that_of_kfac(
    model: LinearModel, captions: Conditioning, exact: Tensor, ekfac: EigenKronecker
) -> None:
    """Law: EK-FAC is no farther from the exact Fisher information than K-FAC is."""
    latents = torch.zeros(COUNT, *model.latent_shape)
    factors = mean_of_chunks([kronecker_chunk(model, latents, captions, IDS, DRAWS, 0)])
    kfac = torch.kron(factors["w"], factors[INPUTS])
    u = whole_basis(ekfac)
    corrected = u @ torch.diag(ekfac.eigenvalues["w"].double().flatten()) @ u.T
    diagonal = torch.diag(exact.diagonal())
    assert (exact - corrected).norm() < (exact - kfac).norm()
    assert (exact - corrected).norm() < (exact - diagonal).norm()  # correlated inputs: rotation pays


def test_damping_adds_a_share_of_each_layers_own_mean() -> None:
    """Law: Damping adds a share of each layer's own mean."""
    fisher = {"a": torch.tensor([[0.0, 2.0]]), "b": torch.tensor([[0.0, 200.0]])}
    ones = {name: torch.ones(1, 2) for name in fisher}
    inverse = Diagonal(fisher, 0.1).inverse(ones)
    assert (1 / inverse["a"]).tolist() == [[pytest.approx(0.1), pytest.approx(2.1)]]
    assert (1 / inverse["b"]).tolist() == [[pytest.approx(10), pytest.approx(210)]]


def test_undamped_a_weight_that_no_draw_has_moved_stays_where_it_is() -> None:
    inverse = Diagonal({"a": torch.tensor([[0.0, 2.0]])}, 0.0).inverse({"a": torch.tensor([[0.0, 1.0]])})
    assert inverse["a"].tolist() == [[0.0, 0.5]]


def test_inverse_undoes_the_damped_fisher(exact: Tensor, ekfac: EigenKronecker) -> None:
    g = torch.randn(OUT, WIDTH, dtype=torch.float64)
    values = ekfac.eigenvalues["w"].double()
    damped = values + 0.1 * values.mean()
    u = whole_basis(ekfac)
    multiplied = (u @ torch.diag(damped.flatten()) @ u.T @ g.flatten()).reshape(OUT, WIDTH)
    torch.testing.assert_close(ekfac.inverse({"w": multiplied})["w"], g, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["diagonal", "ekfac"])
def test_whitening_both_sides_is_preconditioning_one(
    kind: str, model: LinearModel, captions: Conditioning, ekfac: EigenKronecker
) -> None:
    """Law: Whitening both gradients is preconditioning one of them."""
    latents = torch.zeros(COUNT, *model.latent_shape)
    fisher = mean_of_chunks([fisher_chunk(model, latents, captions, IDS, DRAWS, 0)])
    curvature: Curvature = ekfac if kind == "ekfac" else Diagonal(fisher, 0.1)
    a, b = (torch.randn(2, OUT, WIDTH, dtype=torch.float64) for _ in range(2))
    whitened = [curvature.whitened({"w": side})["w"].flatten(1) for side in (a, b)]
    expected = a.flatten(1) @ curvature.inverse({"w": b})["w"].flatten(1).T
    torch.testing.assert_close(whitened[0] @ whitened[1].T, expected, rtol=1e-5, atol=1e-6)
