"""How a training image was forgotten: the loss change of AbU before it is averaged.

By latent cell it is a map, whose mean is the image's score: it says which part of it the picture came
from. By timestep it says whether the image's layout (much noise) or its details (little) were lost.
Where a method scores by the change of predictions, the map is of that.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from numpy import ndarray

from attribution.gradients.query_context import QueryContext
from attribution.models.base import Weights
from attribution.models.batch import Batch
from attribution.models.draws import probe_draws
from attribution.query import MethodOptions
from attribution.unlearning.change import mean_and_error
from attribution.unlearning.step import Unlearned
from attribution.workspace.baseline import training_latents
from attribution.workspace.cache import Cache
from attribution.workspace.workspace import Workspace

MOST_AT_ONCE = 64  # draws of one pass


class RemembersUnlearned:
    """A method that unlearns, keeps for a while the weights that it reached, and says what they forgot."""

    name: str
    options: MethodOptions
    by_predictions: bool = False  # scores are changes of predictions, not rises of losses

    def remember(self, context: QueryContext, unlearned: Unlearned) -> None:
        """Keep the weights that have forgotten a query."""
        self._remembered(context.workspace).put(self._key(context), unlearned)

    def loss_map(self, context: QueryContext, row: int) -> LossMap | None:
        """Return how a training image was forgotten; None unless the query was asked a short while ago."""
        known = self._remembered(context.workspace).get(self._key(context))
        if known is None:
            return None
        most = min(context.batch_size, MOST_AT_ONCE)
        return measured_loss_map(context.workspace, known.weights, row, self.by_predictions, most)

    def _remembered(self, workspace: Workspace) -> Cache[Unlearned]:
        return workspace.cache(f"unlearned by {self.name}")

    def _key(self, context: QueryContext) -> str:
        return f"{context.key} {context.settings.options_of(self)}"


@dataclass(frozen=True)
class LossMap:
    """One training image under the loaded weights and under those that unlearned the picture.

    Attributes:
        cells: the rise of its loss at every latent cell, or the squared change of its predictions, mean
            over draws and channels.
        timesteps: the probe's, ascending.
        before, after: its loss at each timestep, mean over the noises.
        before_stderr, after_stderr, rise_stderr: over the noises; NaN if there is but one. The rise is
            measured on the same noises, so its error is smaller than theirs.
    """

    cells: Float64[ndarray, "h w"]
    timesteps: tuple[int, ...]
    before: Float64[ndarray, " timesteps"]
    after: Float64[ndarray, " timesteps"]
    before_stderr: Float64[ndarray, " timesteps"]
    after_stderr: Float64[ndarray, " timesteps"]
    rise_stderr: Float64[ndarray, " timesteps"]


def measured_loss_map(
    workspace: Workspace,
    unlearned: Weights,
    row: int,
    by_predictions: bool = False,
    batch_size: int = MOST_AT_ONCE,
) -> LossMap:
    """Of one training image, on the draws of a full measurement: the mean rise is its exhaustive score.

    Args:
        by_predictions: whether the cells are to hold the change of the predictions.
    """
    model, probe, training_set = workspace.model, workspace.probe, workspace.training_set
    latent = training_latents(workspace, [row]).to(model.device)
    caption = model.encode_captions([training_set.captions[row]])
    total = torch.zeros(model.latent_shape[1:], dtype=torch.float64)
    befores, afters, ids = [], [], [training_set.ids[row]]
    for draws in probe_draws(probe, range(probe.noises), ids, model.latent_shape, batch_size):
        n = len(draws.timesteps)
        batch = Batch(latent.expand(n, -1, -1, -1), caption.expand(n), draws.noise, draws.timesteps)
        one, other = (model.predict(weights, batch) for weights in (model.weights, unlearned))
        objective, there = model.parametrisation, batch.to(model.device)
        before, after = (objective.squared_errors(each, there).double().cpu() for each in (one, other))
        cells = (
            objective.squared_change(one, other, there).double().cpu() if by_predictions else after - before
        )
        total += cells.mean(dim=1).sum(dim=0)
        befores.append(before.mean(dim=(1, 2, 3)))
        afters.append(after.mean(dim=(1, 2, 3)))
    grid = (len(probe.timesteps), probe.noises)
    before_each, after_each = (torch.cat(parts).reshape(grid).numpy() for parts in (befores, afters))
    measured = (mean_and_error(each) for each in (before_each, after_each, after_each - before_each))
    (before_mean, before_error), (after_mean, after_error), (_, rise_error) = measured
    return LossMap(
        (total / before_each.size).numpy(),
        probe.timesteps,
        before_mean,
        after_mean,
        before_error,
        after_error,
        rise_error,
    )
