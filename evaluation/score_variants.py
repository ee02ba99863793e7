"""Ways of scoring by unlearning that differ from the default in one thing each, measured draw by draw."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy import ndarray
from torch import Tensor

from attribution.errors import SettingsError
from attribution.gradients.curvature import (
    Curvature,
    Diagonal,
    EigenKronecker,
    eigenbases,
    eigenvalue_chunk,
    kronecker_chunk,
)
from attribution.gradients.draw_gradient import gradient_over_draws
from attribution.gradients.fisher import fisher_chunk, mean_of_chunks
from attribution.gradients.query_context import QueryContext
from attribution.gradients.stored import damped_curvature
from attribution.models.base import DiffusionModel, Weights, masked_mean
from attribution.models.batch import Batch, Conditioning
from attribution.models.draws import Probe, probe_draws, stratified_draws
from attribution.models.loss_weights import weighted
from attribution.models.losses import check_finite
from attribution.query import Query, Settings
from attribution.rng import generator
from attribution.unlearning.calibration import calibrated_step, linear_step
from attribution.unlearning.step import ascent_direction, stepped
from attribution.workspace.baseline import training_inputs
from attribution.workspace.workspace import Workspace

CURVATURE_IMAGES, CURVATURE_DRAWS, CURVATURE_SEED = 1_500, 8, 7  # of what no artifact has
BATCH = 128

PerTimestep = Float32[ndarray, "candidates timesteps"]
Asked = Callable[[DiffusionModel, str], tuple[Batch, Tensor | None]]


@dataclass(frozen=True)
class Variant:
    """One way of scoring.

    Attributes:
        weight: of each draw's loss; None for the workspace's own.
        curvature: "fisher" or "ekfac", in that loss; "none" for plain gradient ascent.
        rise: of the picture's own loss at which training images are measured.
        steps: of the ascent, each with draws and a calibration of its own.
        mirrored: half the difference between ascending and descending as far.
        layers: that are unlearned; None for the workspace's own.
        seed: of the unlearning's draws.
    """

    name: str
    weight: str | None = None
    curvature: str = "ekfac"
    damping: float = 0.1
    rise: float = 0.1
    steps: int = 1
    mirrored: bool = False
    layers: str | None = None
    seed: int = 0
    draws: int = 256


DEFAULT = Variant("default")
VARIANTS = (
    DEFAULT,
    replace(DEFAULT, name="another seed", seed=1),
    replace(DEFAULT, name="no curvature", curvature="none"),
    replace(DEFAULT, name="diagonal Fisher (AbU)", curvature="fisher"),
    replace(DEFAULT, name="damping 0.001", damping=0.001),
    replace(DEFAULT, name="damping 1", damping=1.0),
    replace(DEFAULT, name="queries and outputs too", layers="cross-attention"),
    replace(DEFAULT, name="rise 30%", rise=0.3),
    replace(DEFAULT, name="rise 3%", rise=0.03),
    replace(DEFAULT, name="mirrored", mirrored=True),
    replace(DEFAULT, name="unweighted loss", weight="none"),
    replace(DEFAULT, name="damping 0.01", damping=0.01),
    replace(DEFAULT, name="damping 10", damping=10.0),
    replace(DEFAULT, name="rise 100%", rise=1.0),
    replace(DEFAULT, name="5 steps", steps=5),
    replace(DEFAULT, name="epsilon loss", weight="epsilon"),
    replace(DEFAULT, name="P2 loss", weight="p2:1"),
    replace(DEFAULT, name="damping 0.001, rise 30%", damping=0.001, rise=0.3),
    replace(DEFAULT, name="diagonal Fisher, damping 0.001", curvature="fisher", damping=0.001),
    replace(DEFAULT, name="20 steps", steps=20, draws=64),
)


def variants_named(names: Sequence[str]) -> list[Variant]:
    """Raises SettingsError where a name is no variant's."""
    known = {variant.name: variant for variant in VARIANTS}
    if unknown := [name for name in names if name not in known]:
        raise SettingsError(f"no variant is called {unknown[0]!r}: choose from {', '.join(known)}")
    return [known[name] for name in names]


@dataclass(frozen=True, eq=False)
class Measured:
    """The candidates under some weights, at each draw.

    Attributes:
        losses: the mean over noises.
        predictions: example by example, timestep by timestep, noise by noise.
    """

    losses: PerTimestep
    predictions: Float[Tensor, "draws c h w"]


@dataclass
class Laboratory:
    """Models and curvatures that variants share, and the candidates they measure."""

    workspace: Workspace
    rows: ndarray
    probe: Probe
    _models: dict[tuple[str | None, str | None], DiffusionModel] = field(default_factory=dict)
    _curvatures: dict[tuple[Any, ...], Callable[[float], Curvature]] = field(default_factory=dict)
    _before: dict[tuple[str | None, str | None], Measured] = field(default_factory=dict)

    @cached_property
    def _candidates(self) -> tuple[Tensor, Conditioning, list[str]]:
        return training_inputs(self.workspace, self.rows)

    def model(self, variant: Variant) -> DiffusionModel:
        """The workspace's model with another loss weight or other layers, if the variant says so."""
        key = (variant.layers, variant.weight)
        if key not in self._models:
            model = self.workspace.model
            if variant.layers is not None:
                model = self.workspace.with_layers(variant.layers)
            if variant.weight is not None:
                model = copy.copy(model)
                model.parametrisation = weighted(model.parametrisation, variant.weight)
            self._models[key] = model
        return self._models[key]

    def curvature(self, variant: Variant) -> Curvature:
        """The Fisher information in the variant's loss and layers, damped."""
        if variant.curvature == "none":
            return Identity()
        if variant.weight is None and variant.layers is None:
            return damped_curvature(self.workspace, variant.curvature, variant.damping)
        key = (variant.layers, variant.weight, variant.curvature)
        if key not in self._curvatures:
            self._curvatures[key] = self._estimated(self.model(variant), variant.curvature)
        return self._curvatures[key](variant.damping)

    def _estimated(self, model: DiffusionModel, kind: str) -> Callable[[float], Curvature]:
        count = len(self.workspace.training_set)
        order = generator(CURVATURE_SEED, "study curvature").permutation(count)
        rows = np.sort(order[:CURVATURE_IMAGES])
        given = (model, *training_inputs(self.workspace, rows), CURVATURE_DRAWS, CURVATURE_SEED)
        if kind == "fisher":
            fisher = mean_of_chunks([fisher_chunk(*given, BATCH)])
            return lambda damping: Diagonal(fisher, damping)
        bases = eigenbases(mean_of_chunks([kronecker_chunk(*given, BATCH)]))
        values = mean_of_chunks([eigenvalue_chunk(*given, bases, BATCH)])
        return lambda damping: EigenKronecker(bases, values, damping)

    def measured(self, model: DiffusionModel, weights: Weights) -> Measured:
        """The candidates under some weights."""
        latents, captions, ids = self._candidates
        grid = (len(ids), len(self.probe.timesteps), self.probe.noises)
        losses, predictions = np.empty(grid, np.float32), []
        for draws in probe_draws(self.probe, range(self.probe.noises), ids, model.latent_shape, BATCH):
            batch = draws.of(latents, captions).to(model.device)
            predictions.append(model.predict(weights, batch))
            errors = model.parametrisation.squared_errors(predictions[-1], batch)
            losses.reshape(-1)[draws.numbers] = masked_mean(errors, None).cpu().numpy()
        check_finite(losses, ids)
        return Measured(losses.mean(axis=2), torch.cat(predictions))

    def answered(
        self, variant: Variant, question: Query
    ) -> Float32[ndarray, "measure candidates timesteps"]:
        """What `compared` says of one question's picture."""
        context = QueryContext(self.workspace, question, Settings(seed=variant.seed))

        def asked(model: DiffusionModel, purpose: str) -> tuple[Batch, Tensor | None]:
            return drawn(model, variant, context.latent, context.conditioning, purpose), context.mask

        return self.compared(variant, asked)

    def compared(self, variant: Variant, asked: Asked) -> Float32[ndarray, "measure candidates timesteps"]:
        """What becomes of each candidate at each timestep when one question's picture is unlearned.

        The divergence of its predictions, and the rise of its loss, as `MEASURES` has them.
        """
        model, before = self.model(variant), self.before(variant)
        up = self.unlearned(variant, model, asked)
        above = self.measured(model, up)
        if not variant.mirrored:
            return np.stack([self._moved(model, above, before), above.losses - before.losses])
        down = {name: 2 * weight - up[name] for name, weight in model.weights.items()}
        below = self.measured(model, down)
        return np.stack([self._moved(model, above, below) / 4, (above.losses - below.losses) / 2])

    def before(self, variant: Variant) -> Measured:
        """The candidates under the loaded weights, measured once for each model."""
        key = (variant.layers, variant.weight)
        if key not in self._before:
            model = self.model(variant)
            self._before[key] = self.measured(model, model.weights)
        return self._before[key]

    def _moved(self, model: DiffusionModel, one: Measured, other: Measured) -> PerTimestep:
        """The squared change of the predictions, weighed as the loss is; the mean over noises."""
        timesteps = torch.tensor(self.probe.timesteps, device=model.device)
        times = timesteps.repeat_interleave(self.probe.noises).repeat(len(one.losses))
        change = (one.predictions - other.predictions).square()
        moved = masked_mean(model.parametrisation.weight.applied(change, times), None)
        mean: PerTimestep = moved.reshape(*one.losses.shape, -1).mean(dim=2).cpu().numpy()
        return mean

    def unlearned(self, variant: Variant, model: DiffusionModel, asked: Asked) -> Weights:
        """The weights after the variant's steps, whose share of the rise is the same for each."""
        curvature, model = self.curvature(variant), copy.copy(model)
        held_out, mask = asked(model, "calibration")
        for step in range(variant.steps):
            batch, _ = asked(model, "unlearning" if variant.steps == 1 else f"unlearning {step}")
            *_, gradient = gradient_over_draws(model, batch, mask)
            count = len(self.workspace.training_set)
            direction = ascent_direction(gradient.mean, curvature, count)
            share = variant.rise / variant.steps
            rise = (1 + share * (step + 1)) / (1 + share * step) - 1
            guess = linear_step(gradient, direction, rise)
            found = None
            for _, found in calibrated_step(model, direction, held_out, rise, mask, guess):
                pass
            assert found is not None, "calibration ends with a result or an error"
            model.weights = stepped(model.weights, direction, found.alpha)
        return model.weights


def drawn(
    model: DiffusionModel, variant: Variant, latent: Tensor, conditioning: Any, purpose: str
) -> Batch:
    """The draws of one question's picture for a purpose."""
    count = 32 if purpose == "calibration" else variant.draws
    return stratified_draws(model, count, variant.seed, purpose).of(latent, conditioning)


class Identity:
    """No curvature: plain gradient ascent."""

    def inverse(self, gradient: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: g.double() for name, g in gradient.items()}

    def whitened(self, gradient: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return dict(gradient)


MEASURES = ("divergence", "rise of loss")

# (rises, losses before) of (questions, candidates, timesteps) => scores of (questions, candidates)
STATISTICS: dict[str, Callable[[ndarray, ndarray], ndarray]] = {
    "mean": lambda rises, before: rises.mean(axis=2),
    "ratio to the loss before": lambda rises, before: (rises / before).mean(axis=2),
    "standardised by timestep": lambda rises, before: (rises / rises.std(1, keepdims=True)).mean(axis=2),
    "median over timesteps": lambda rises, before: np.median(rises, axis=2),
    "less its null's mean": lambda rises, before: _others(rises)[0],
    "over its null's spread": lambda rises, before: _others(rises)[1],
}


def _others(rises: ndarray) -> tuple[ndarray, ndarray]:
    """Scores less the image's mean under the other questions, and that over its spread there."""
    scores = rises.mean(axis=2)
    less, over = np.empty_like(scores), np.empty_like(scores)
    for number in range(len(scores)):
        rest = np.delete(scores, number, axis=0)
        less[number] = scores[number] - rest.mean(axis=0)
        over[number] = less[number] / np.maximum(rest.std(axis=0), np.finfo(np.float32).tiny)
    return less, over
