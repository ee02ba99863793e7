"""Laws of DAS."""

from __future__ import annotations

import copy

import numpy as np
import torch

from attribution.engine import attribute
from attribution.gradients.features import DAMPING, DAS
from attribution.gradients.query_context import QueryContext
from attribution.gradients.whole import spread_levels
from attribution.models.draws import Probe, probe_draws
from attribution.models.stable_diffusion import PipelineModel
from attribution.query import Box, Query, Settings
from attribution.results import Attribution
from attribution.workspace.baseline import LOSSES, training_latents
from attribution.workspace.workspace import Workspace
from tests.conftest import Foreign

BOX = Box(0.3, 0.2, 0.6, 0.9)


def query_of(workspace: Workspace, box: Box | None = None) -> Query:
    return Query(workspace.training_set.image(3), workspace.training_set.captions[3], box)


def scores_of(workspace: Workspace, box: Box | None = None) -> np.ndarray:
    *_, answer = attribute(workspace, query_of(workspace, box), ["das"], Settings())
    assert isinstance(answer, Attribution)
    ranking = answer.rankings["das"]
    out = np.empty(len(ranking.rows))
    out[ranking.rows] = ranking.scores
    return out


def slow_feature(
    workspace: Workspace, name: str, probe: Probe, row: int, mask: torch.Tensor | None
) -> np.ndarray:
    """The mean over timesteps of unit gradients of the mean prediction, by plain autograd draw by draw."""
    model, stored = workspace.model, workspace.load(DAS).features
    assert isinstance(model, PipelineModel)
    latents, mean = training_latents(workspace, [row]), 0.0
    captions = model.encode_captions([workspace.training_set.captions[row]])
    for timestep in stored.timesteps:
        unet = copy.deepcopy(model.unet).requires_grad_()
        for draws in probe_draws(probe, range(probe.noises), [name], model.latent_shape, 1):
            if draws.timesteps.item() != timestep:
                continue
            batch = draws.of(latents, captions)
            noisy = model.parametrisation.noisy(batch)
            output = unet(noisy, batch.times, encoder_hidden_states=batch.conditioning.tokens).sample
            (output if mask is None else output[:, :, mask.bool()]).mean().backward()
        gradients = {k: weight.grad[None] for k, weight in unet.named_parameters()}
        length = torch.cat([each.flatten() for each in gradients.values()]).double().norm()
        mean += stored.sketch(gradients)[0].double().numpy() / float(length) / len(stored.timesteps)
    assert isinstance(mean, np.ndarray)
    return mean


def test_stored_features_are_means_of_unit_gradients_of_the_prediction(foreign_world: Foreign) -> None:
    workspace = Workspace.open(foreign_world.workspace)
    stored = workspace.load(DAS)
    for row in (0, 21):
        slow = slow_feature(workspace, workspace.training_set.ids[row], workspace.probe, row, None)
        kept = stored.features.index.vectors[row] * stored.features.lengths[row]
        assert np.linalg.norm(kept - slow) / np.linalg.norm(slow) < 0.2  # four bits
    chosen = [workspace.probe.timesteps.index(step) for step in stored.features.timesteps]
    losses = workspace.load(LOSSES)[:, chosen, : workspace.probe.noises].mean(axis=(1, 2))
    np.testing.assert_allclose(stored.residuals**2, losses, rtol=1e-4)


def test_scores_are_the_formula_written_out(foreign_world: Foreign) -> None:
    """Law: DAS is the square of the kernel times residual over one less leverage, inverses written out."""
    workspace = Workspace.open(foreign_world.workspace)
    stored = workspace.load(DAS)
    phi = (stored.features.index.vectors * stored.features.lengths[:, None]).astype(np.float64)
    mask = QueryContext(workspace, query_of(workspace, BOX), Settings()).mask
    probe = Probe(stored.features.timesteps, 4, 0)
    query = slow_feature(workspace, "query", probe, 3, mask)
    gram = phi.T @ phi
    ridge = DAMPING * np.trace(gram) / len(gram)
    inverse = np.linalg.inv(gram + ridge * np.eye(len(gram)))
    leverage = np.einsum("id,de,ie->i", phi, inverse, phi)
    expected = (phi @ inverse @ query * stored.residuals / (1 - leverage)) ** 2
    found = scores_of(workspace, BOX)
    np.testing.assert_allclose(found, expected, rtol=0.02, atol=1e-3 * expected.max())


def test_levels_are_spread_evenly_over_the_probe() -> None:
    assert spread_levels(range(10), 4) == [1, 3, 6, 8]
    assert spread_levels(range(4), 9) == [0, 1, 2, 3]
    assert spread_levels(range(10), 1) == [5]
