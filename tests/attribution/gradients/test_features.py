"""Laws of projected gradients over all weights, and of the kernel between them."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest
import torch

from attribution.errors import NonFiniteError
from attribution.gradients import features as stored
from attribution.gradients.features import Features
from attribution.gradients.projection import Sketch
from attribution.gradients.whole import balanced_gradient, probe_batch, projected_gradient
from attribution.models.base import DiffusionModel, Objective, open_model
from attribution.models.draws import Probe
from attribution.rng import gaussian, generator
from attribution.workspace.vector_index import Neighbours

PROBE = Probe((150, 450, 750), noises=2)
COUNT, DIMENSIONS, DAMPING = 30, 16, 0.05


@pytest.fixture(scope="module")
def model(foreign_pipeline: Path) -> DiffusionModel:
    return open_model(foreign_pipeline)


def vectors() -> np.ndarray:
    return generator(0, "features").standard_normal((COUNT, DIMENSIONS)) * np.linspace(3, 0.1, DIMENSIONS)


def features_of(phi: np.ndarray) -> Features:
    lengths = np.linalg.norm(phi, axis=1).astype(np.float32)
    index = faiss.IndexFlatIP(phi.shape[1])
    index.add((phi / np.maximum(lengths, 1e-30)[:, None]).astype(np.float32))
    ids = [f"{k}" for k in range(len(phi))]
    return Features(Sketch(phi.shape[1], 0, {}), Neighbours(index, ids), lengths, (150,))


@pytest.fixture(params=[7, stored.BLOCK])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "BLOCK", request.param)


@pytest.mark.usefixtures("block")
def test_the_kernel_is_that_of_the_inverse_written_out() -> None:
    """Law: TRAK's kernel is `phi_q (Phi^T Phi / n + lambda I)^-1 phi_i`, with the inverse written out."""
    phi, queries = vectors(), generator(1, "queries").standard_normal((3, DIMENSIONS))
    second = phi.T @ phi / COUNT
    ridge = DAMPING * np.linalg.eigvalsh(second).mean()
    inverse = np.linalg.inv(second + ridge * np.eye(DIMENSIONS))
    rows = np.array([4, 29, 0])
    found = features_of(phi).scores(queries, rows, DAMPING)
    np.testing.assert_allclose(found, queries @ inverse @ phi[rows].T, rtol=1e-5)
    leverages = np.einsum("id,de,ie->i", phi, inverse, phi) / COUNT
    found = features_of(phi).leverages(rows, DAMPING)
    np.testing.assert_allclose(found, leverages[rows], rtol=1e-5)
    assert 0 < leverages.min() < leverages.max() < 1


def test_scores_do_not_depend_on_the_features_unit() -> None:
    queries, rows = generator(1, "queries").standard_normal((1, DIMENSIONS)), np.arange(COUNT)
    small = features_of(vectors() * 1e-4).scores(queries * 1e-4, rows, DAMPING)
    np.testing.assert_allclose(small, features_of(vectors()).scores(queries, rows, DAMPING), rtol=1e-4)


def test_features_of_zero_are_refused() -> None:
    with pytest.raises(NonFiniteError, match="has no inverse at damping"):
        features_of(np.zeros((COUNT, DIMENSIONS))).factor(DAMPING)


def test_a_projected_gradient_does_not_depend_on_batch_size(model: DiffusionModel) -> None:
    """Law: A projected gradient does not depend on how its draws are batched."""
    sketch = Sketch(128, 3, model.all_shapes)
    latent = gaussian(0, "latent", "", 0, model.latent_shape)[None]
    batch = probe_batch(model, latent, model.encode_captions(["a red bar"]), "one", PROBE)
    assert batch.times.tolist() == [150, 150, 450, 450, 750, 750]
    losses, whole = projected_gradient(model, batch, Objective.LOSS, sketch)
    split_losses, split = projected_gradient(model, batch, Objective.LOSS, sketch, batch_size=4)
    torch.testing.assert_close(losses, split_losses)
    assert float((whole - split).norm() / whole.norm()) < 1e-4
    parts = [projected_gradient(model, batch[k : k + 2], Objective.LOSS, sketch)[1] for k in (0, 2, 4)]
    assert float((whole - sum(parts) / 3).norm() / whole.norm()) < 1e-4
    same_losses, balanced = balanced_gradient(model, batch, Objective.LOSS, sketch, 3)
    torch.testing.assert_close(losses, same_losses)
    lengths = [
        sum(each.double().square().sum() for each in gradient.values()).sqrt() / sketch.weights**0.5
        for _, gradient in (model.whole_gradient(batch[k : k + 2], Objective.LOSS) for k in (0, 2, 4))
    ]
    expected = sum(part / length for part, length in zip(parts, lengths, strict=True)) / 3
    torch.testing.assert_close(balanced, expected / sketch.weights**0.5, rtol=1e-4, atol=1e-6)


def test_a_projection_is_of_each_gradient_by_itself(model: DiffusionModel) -> None:
    """Law: A projected gradient is the sum over weights, one by one, of each in its place with its sign."""
    sketch = Sketch(64, 5, model.all_shapes)
    latent = gaussian(0, "latent", "", 0, model.latent_shape)[None]
    batch = probe_batch(model, latent, model.encode_captions(["a red bar"]), "one", Probe((300,), 1))
    _, gradient = model.whole_gradient(batch, Objective.SQUARED_OUTPUT)
    expected, weights = np.zeros(64), 0
    for name, each in gradient.items():
        rng = generator(5, "sketch", name)
        places, signs = rng.integers(2048, size=each.numel()) % 64, rng.integers(2, size=each.numel())
        for place, sign, value in zip(places, signs, each.flatten().tolist(), strict=True):
            expected[place] += value if sign else -value
        weights += each.numel()
    _, found = projected_gradient(model, batch, Objective.SQUARED_OUTPUT, sketch)
    np.testing.assert_allclose(found, expected / np.sqrt(weights), atol=1e-5 * np.abs(expected).max())
