"""AbU: attribution by unlearning (Wang et al., NeurIPS 2024).

Unlearn the picture, and see which training images are forgotten with it: the score of a training
image is the rise of its own loss, `tau_i = L(z_i; theta_u) - L(z_i; theta_0)`, with the same noises
and timesteps on both sides.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from numpy import ndarray
from torch import Tensor

from attribution import unlearning
from attribution.images import box_in_prepared, prepared
from attribution.losses import check_finite, loss_sweep
from attribution.noise import generator
from attribution.query import Query, Settings
from attribution.results import Progress, Scores
from attribution.unlearning import Unlearned
from attribution.workspace import Workspace

if TYPE_CHECKING:
    from attribution.engine import Candidates

CONTROLS = 32  # random training images whose loss should not rise with the query's
CONTROL_SHARE = 0.25  # of the query's rise: above it, unlearning was not selective
GRADIENT_BATCH = 32


@dataclass(frozen=True)
class AbU:
    """One natural-gradient step on key and value projections, diagonal damped Fisher."""

    name: str = "abu"
    title: str = "Unlearning (AbU)"
    description: str = (
        "How much the loss of a training image rises when the model unlearns this picture: "
        "what was forgotten with it."
    )
    slow: bool = True

    def needs(self, workspace: Workspace) -> tuple[str, ...]:
        return ("losses", "fisher")

    def score(
        self, workspace: Workspace, query: Query, settings: Settings, candidates: Candidates
    ) -> Iterator[Progress | Scores]:
        unlearned = yield from self.unlearn(workspace, query, settings)
        controls = control_rows(workspace, settings.seed)
        rises = yield from self._forgotten(workspace, unlearned, controls, settings, "checking controls")
        control_rise = float(rises.mean() / workspace.losses()[controls].mean())
        rises = yield from self._forgotten(
            workspace, unlearned, candidates.rows, settings, "measuring training images"
        )
        values, stderr = mean_and_error(rises)
        details = {
            "alpha": unlearned.alpha,
            "damping": 0.0 if settings.alpha else settings.damping,
            "query_loss_before": unlearned.loss_before,
            "query_loss_after": unlearned.loss_after,
            "query_rise": unlearned.rise,
            "control_rise": control_rise,
            "calibration_trials": unlearned.trials,
        }
        warnings = _self_check(unlearned.rise, control_rise)
        yield Scores(candidates.rows, values, stderr, details, warnings)

    def unlearn(
        self, workspace: Workspace, query: Query, settings: Settings
    ) -> Generator[Progress, None, Unlearned]:
        """Yield progress; returns the weights that have forgotten the query."""
        model = workspace.model
        latent, caption, mask = query_tensors(workspace, query)
        draws = unlearning.stratified_draws(model, settings.unlearning_draws, settings.seed, "unlearning")
        gradient: Mapping[str, Tensor] = {}
        total = settings.unlearning_draws
        yield Progress(self.name, "computing the gradient", 0, total)
        for done, gradient in unlearning.query_gradient(
            model, latent, caption, draws, mask, GRADIENT_BATCH
        ):
            yield Progress(self.name, "computing the gradient", done, total)
        damping = 0.0 if settings.alpha else settings.damping  # --alpha is the paper's own step
        direction = unlearning.ascent_direction(
            gradient, workspace.fisher(), len(workspace.training_set), damping
        )
        held_out = unlearning.stratified_draws(
            model, settings.calibration_draws, settings.seed, "calibration"
        )
        if settings.alpha is not None:
            return unlearning.fixed_step(model, direction, latent, caption, held_out, settings.alpha, mask)
        trials = unlearning.calibrated_step(
            model, direction, latent, caption, held_out, settings.target_rise, mask
        )
        for trial, unlearned in trials:
            if unlearned is not None:
                return unlearned
            yield Progress(self.name, "calibrating the step", trial, unlearning.MAX_TRIALS)
        raise AssertionError("calibration ends with a result or an error")

    def _forgotten(
        self,
        workspace: Workspace,
        unlearned: Unlearned,
        rows: Int[ndarray, " n"],
        settings: Settings,
        stage: str,
    ) -> Generator[Progress, None, Float64[ndarray, "n timesteps noises"]]:
        """Yield progress; returns the rise of every draw's loss of some training images."""
        training_set, probe = workspace.training_set, workspace.probe
        ids = [training_set.ids[row] for row in rows]
        captions = workspace.model.encode_captions([training_set.captions[row] for row in rows])
        parts = []
        for start in range(0, len(rows), settings.batch_size):
            parts.append(workspace.latents(rows[start : start + settings.batch_size]))
            yield Progress(self.name, "encoding training images", start, len(rows))
        latents = torch.cat(parts)
        total = len(rows) * len(probe.timesteps) * probe.noises
        after = np.empty(0, np.float32)
        yield Progress(self.name, stage, 0, total)
        for done, after in loss_sweep(
            workspace.model, unlearned.weights, latents, captions, ids, probe, settings.batch_size
        ):
            yield Progress(self.name, stage, done, total)
        check_finite(after, ids)
        rises: Float64[ndarray, "n timesteps noises"] = after.astype(np.float64) - workspace.losses()[rows]
        return rises


METHOD = AbU()


def query_tensors(
    workspace: Workspace, query: Query
) -> tuple[Float[Tensor, "1 c h w"], Float[Tensor, "1 tokens d"], Float[Tensor, "h w"] | None]:
    """Latent, caption embedding and loss mask of a query, scaled as the training images are.

    The mask has ones in the latent cells that the box touches: local attribution is the query's own
    loss restricted to the box, not the loss of the crop.
    """
    model = workspace.model
    latent = model.encode_images([prepared(query.image, model.resolution)])
    caption = model.encode_captions([query.caption])
    if query.box is None:
        return latent, caption, None
    box = box_in_prepared(query.box, query.image.size)
    mask = torch.from_numpy(box.mask(*model.latent_shape[1:])).float().to(model.device)
    return latent, caption, mask


def control_rows(workspace: Workspace, seed: int) -> Int[ndarray, " controls"]:
    """Rows of random training images, the same for every query of a seed."""
    count = len(workspace.training_set)
    rng = generator(seed, "controls")
    return np.sort(rng.choice(count, size=min(CONTROLS, count), replace=False))


def mean_and_error(
    rises: Float64[ndarray, "n timesteps noises"],
) -> tuple[Float64[ndarray, " n"], Float64[ndarray, " n"] | None]:
    """The mean over the grid, and its standard error from the spread within each timestep.

    The grid is not noise: only the spread between noises of one timestep counts. None with a single
    noise, which has no spread.
    """
    values = rises.mean(axis=(1, 2))
    grid, noises = rises.shape[1:]
    if noises < 2:
        return values, None
    within = rises.var(axis=2, ddof=1) / noises  # variance of each timestep's mean
    return values, np.sqrt(within.sum(axis=1)) / grid


def _self_check(query_rise: float, control_rise: float) -> tuple[str, ...]:
    if control_rise < CONTROL_SHARE * query_rise:
        return ()
    return (
        f"unlearning was not selective: the loss of random training images rose by {control_rise:.1%} "
        f"while the picture's own rose by {query_rise:.1%}; read these scores with care",
    )
