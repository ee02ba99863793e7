"""Laws of RelatIF, on the tiny world."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attribution.engine import attribute
from attribution.errors import NonFiniteError
from attribution.gradients.linearised import FirstOrder
from attribution.gradients.per_example import example_gradients
from attribution.gradients.query_context import QueryContext
from attribution.gradients.stored import GRADIENTS
from attribution.results import Attribution, Ranking
from attribution.workspace.baseline import training_latents
from attribution.workspace.workspace import Workspace
from tests.worlds.queries import query_of
from tests.worlds.settings import quick

QUICK = quick({"draws": 32}, batch_size=32)


def flat(first_order: FirstOrder, gradient: dict[str, torch.Tensor]) -> np.ndarray:
    """A whitened gradient as one vector an image, double precision, without any sketch."""
    whitened = first_order.curvature.whitened({name: g.double() for name, g in gradient.items()})
    return torch.cat([w.flatten(1) for w in whitened.values()], dim=1).numpy()


def test_scores_are_the_cosines_of_whitened_gradients_within_the_sketchs_error(
    tiny_world: Workspace,
) -> None:
    """Law: RelatIF's scores are cosines of the exact whitened gradients, within the sketch's own error."""
    rows, model, training_set = np.arange(12), tiny_world.model, tiny_world.training_set
    gradient = QueryContext(tiny_world, query_of(tiny_world), QUICK).gradient(32)
    first_order = tiny_world.load(GRADIENTS)
    predicted = first_order.cosines(gradient.mean, rows)
    captions = model.encode_captions([training_set.captions[row] for row in rows])
    ids = [training_set.ids[row] for row in rows]
    groups = example_gradients(model, training_latents(tiny_world, rows), captions, ids, tiny_world.probe)
    images = np.concatenate([flat(first_order, group) for group in groups])
    own = flat(first_order, {name: g[None] for name, g in gradient.mean.items()})[0]
    exact = images @ own / np.linalg.norm(images, axis=1) / np.linalg.norm(own)
    z = (predicted.values - exact) / predicted.stderr
    assert np.abs(z).max() < 4
    assert 0.2 < np.sqrt((z**2).mean()) < 2


def test_scores_are_first_orders_over_the_lengths(tiny_world: Workspace) -> None:
    """Law: RelatIF is first order divided by each image's own length, up to the query's constant."""
    *_, answer = attribute(tiny_world, query_of(tiny_world), ["first-order", "relatif"], QUICK)
    assert isinstance(answer, Attribution)
    first, relative = (by_row(answer.rankings[name]) for name in ("first-order", "relatif"))
    ratio = first / tiny_world.load(GRADIENTS).lengths / relative
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)
    assert np.abs(relative).max() <= 1
    assert "alpha" not in answer.rankings["relatif"].details


def by_row(ranking: Ranking) -> np.ndarray:
    values = np.empty(len(ranking))
    values[ranking.rows] = ranking.scores
    return values


def test_a_gradient_of_zero_is_a_named_error(tiny_world: Workspace) -> None:
    zero = {name: torch.zeros_like(w) for name, w in tiny_world.model.weights.items()}
    with pytest.raises(NonFiniteError, match="no direction"):
        tiny_world.load(GRADIENTS).cosines(zero, np.arange(2))
