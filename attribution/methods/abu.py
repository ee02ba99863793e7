"""AbU: attribution by unlearning (Wang et al., NeurIPS 2024).

Unlearn the picture, and see which training images are forgotten with it: the score of a training
image is the rise of its own loss, `tau_i = L(z_i; theta_u) - L(z_i; theta_0)`, with the same noises
and timesteps on both sides.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

import numpy as np
from jaxtyping import Float64, Int
from numpy import ndarray

from attribution.analysis.loss_map import Forgotten, forgotten
from attribution.analysis.significance import judgement
from attribution.errors import SettingsError
from attribution.gradients.draw_gradient import QueryGradient
from attribution.gradients.query_context import GRADIENT_DRAWS, TARGET_RISE, QueryContext
from attribution.gradients.stored import curvature_needs, damped_curvature
from attribution.methods.base import Cost
from attribution.models.draws import stratified_draws
from attribution.models.losses import check_finite, loss_sweep
from attribution.query import Candidates, MethodOptions, checked_draws, checked_rise
from attribution.results import Progress, Scores
from attribution.rng import generator
from attribution.unlearning import step as unlearning
from attribution.unlearning.calibration import MAX_TRIALS, calibrated_step, linear_step
from attribution.unlearning.racing import Rises, Standing, mean_and_error, race
from attribution.unlearning.step import Unlearned
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.baseline import LOSSES, training_latents
from attribution.workspace.cache import Cache
from attribution.workspace.workspace import Workspace

CONTROLS = 16  # random training images whose loss should not rise with the query's
CONTROL_SHARE = 0.25  # of the query's rise: above it, unlearning was not selective
PART = 128  # images of a full measurement between two looks at the ranking


@dataclass(frozen=True)
class AbUOptions(MethodOptions):
    """How the picture is unlearned.

    Attributes:
        draws: (timestep, noise) draws of the unlearning gradient, a multiple of 2.
        calibration_draws: draws held out from the gradient, on which the step is calibrated.
        target_rise: the relative rise of the query's own loss that the step is calibrated to.
        alpha: a fixed step as in AbU eq. 6, without damping or calibration; None to calibrate.
        damping: added to the Fisher information, as a share of its mean in each layer.
    """

    draws: int = GRADIENT_DRAWS
    calibration_draws: int = 32
    target_rise: float = TARGET_RISE
    alpha: float | None = None
    damping: float = 0.1

    def __post_init__(self) -> None:
        checked_draws("draws", self.draws)
        checked_draws("calibration_draws", self.calibration_draws)
        checked_rise(self.target_rise)
        if not self.damping >= 0:
            raise SettingsError(f"damping is {self.damping}: it must not be negative")
        if self.alpha is not None and not (isfinite(self.alpha) and self.alpha > 0):
            raise SettingsError(f"alpha is {self.alpha}: it must be a positive number")


@dataclass(frozen=True)
class AbU:
    """One natural-gradient step on key and value projections.

    Attributes:
        curvature: the Fisher information as its diagonal ("fisher") or as EK-FAC ("ekfac").
    """

    name: str = "abu"
    title: str = "Unlearning (AbU)"
    description: str = (
        "How much the loss of a training image rises when the model unlearns this picture: "
        "what was forgotten with it."
    )
    curvature: str = "fisher"
    cost: Cost = Cost.PER_EXAMPLE
    shortlists: bool = False
    options: AbUOptions = field(default_factory=AbUOptions)

    def needs(self, workspace: Workspace) -> tuple[ArtifactKind[Any], ...]:
        return (LOSSES, *curvature_needs(self.curvature))

    def score(self, context: QueryContext, candidates: Candidates) -> Iterator[Progress | Scores]:
        workspace, options = context.workspace, context.settings.options_of(self)
        unlearned = yield from self.unlearn(context)
        self._remembered(workspace).put(self._key(context), unlearned)
        controls = control_rows(workspace, context.settings.seed)
        rises = yield from self._rises(context, unlearned, controls, range(1), "checking controls")
        before = workspace.load(LOSSES)[controls][..., :1].astype(np.float64)
        control_rise = float(rises.mean() / before.mean())
        details: dict[str, Any] = {
            "alpha": unlearned.alpha,
            "curvature": self.curvature,
            "damping": 0.0 if options.alpha else options.damping,
            "query_loss_before": unlearned.loss_before,
            "query_loss_after": unlearned.loss_after,
            "query_rise": unlearned.rise,
            "control_rise": control_rise,
            "calibration_trials": unlearned.trials,
        }
        warnings = _self_check(unlearned.rise, control_rise)
        judged = judgement(workspace, context.gradient(options.draws), options.target_rise)
        details |= judged.details() if judged else {}
        measured = self._raced if candidates.race else self._measured
        for event in measured(context, unlearned, candidates):
            if isinstance(event, Scores):
                z = judged.z[event.rows] if judged else None
                yield replace(event, details={**details, **event.details}, warnings=warnings, z=z)
            else:
                yield event

    def how_forgotten(self, context: QueryContext, row: int) -> Forgotten | None:
        """Return how a training image was forgotten; None unless the query was asked a short while ago."""
        known = self._remembered(context.workspace).get(self._key(context))
        return None if known is None else forgotten(context.workspace, known.weights, row)

    def _remembered(self, workspace: Workspace) -> Cache[Unlearned]:
        return workspace.cache(f"unlearned by {self.name}")

    def _key(self, context: QueryContext) -> str:
        return f"{context.key} {context.settings.options_of(self)}"

    def unlearn(self, context: QueryContext) -> Generator[Progress, None, Unlearned]:
        """Yield progress; return the weights that have forgotten the query."""
        workspace, options = context.workspace, context.settings.options_of(self)
        model, seed = workspace.model, context.settings.seed
        gradient = yield from self._gradient(context, options.draws)
        damping = 0.0 if options.alpha else options.damping  # --alpha is the paper's own step
        direction = unlearning.ascent_direction(
            gradient.mean, damped_curvature(workspace, self.curvature, damping), len(workspace.training_set)
        )
        draws = stratified_draws(model, options.calibration_draws, seed, "calibration")
        held_out = draws.of(context.latent, context.conditioning)
        if options.alpha is not None:
            return unlearning.fixed_step(model, direction, held_out, options.alpha, context.mask)
        guess = linear_step(gradient, direction, options.target_rise)
        trials = calibrated_step(model, direction, held_out, options.target_rise, context.mask, guess)
        for trial, unlearned in trials:
            if unlearned is not None:
                return unlearned
            yield Progress(self.name, "calibrating the step", trial, MAX_TRIALS)
        raise AssertionError("calibration ends with a result or an error")

    def _gradient(self, context: QueryContext, draws: int) -> Generator[Progress, None, QueryGradient]:
        yield Progress(self.name, "computing the gradient", 0, draws)
        last = None
        for last in context.gradients(draws):
            yield Progress(self.name, "computing the gradient", last.draws, last.total)
        assert last is not None
        return last

    def _measured(
        self, context: QueryContext, unlearned: Unlearned, candidates: Candidates
    ) -> Iterator[Progress | Scores]:
        """Every candidate in full, in order of promise; yields the scores so far after each part."""
        noises = range(context.workspace.probe.noises)
        total = len(candidates.rows)
        values, stderr = np.empty(total), np.empty(total)
        for start in range(0, total, PART):
            rows = candidates.rows[start : start + PART]
            stage = f"measuring training images {start + 1:,} to {start + len(rows):,} of {total:,}"
            rises = yield from self._rises(context, unlearned, rows, noises, stage)
            end = start + len(rows)
            values[start:end], stderr[start:end] = mean_and_error(rises)
            errors = None if len(noises) < 2 else stderr[:end].copy()
            yield Scores(candidates.rows[:end], values[:end].copy(), errors, final=end == total)

    def _raced(
        self, context: QueryContext, unlearned: Unlearned, candidates: Candidates
    ) -> Iterator[Progress | Scores]:
        """The most promising candidates, as far as the budget goes; yields a ranking after each round."""
        probe, rows, settings = context.workspace.probe, candidates.rows, context.settings
        grid, noises = len(probe.timesteps), max(2, probe.noises)
        block = grid * noises

        def numbers(round_number: int) -> range:
            return range(round_number * noises, (round_number + 1) * noises)

        def cost(round_number: int) -> int:
            unknown = sum(k >= probe.pool for k in numbers(round_number))
            return block + grid * unknown  # beyond the pool, the loss before is measured as well

        def measure(positions: Int[ndarray, " n"], number: int) -> Generator[object, None, Rises]:
            again = f"measuring the best again, round {number}"
            stage = again if number else "measuring the most promising"
            chosen = rows[positions]
            rises = yield from self._rises(context, unlearned, chosen, numbers(number), stage)
            return rises

        for event in race(len(rows), settings.top_k, settings.budget, cost(0), cost, measure):
            if isinstance(event, Standing):
                yield _standing_scores(event, rows)
            else:
                assert isinstance(event, Progress)
                yield event

    def _rises(
        self,
        context: QueryContext,
        unlearned: Unlearned,
        rows: Int[ndarray, " n"],
        noises: range,
        stage: str,
    ) -> Generator[Progress, None, Float64[ndarray, "n timesteps noises"]]:
        """Yield progress; returns the rise of every draw's loss of some training images."""
        workspace, batch_size = context.workspace, context.settings.batch_size
        training_set, probe, model = workspace.training_set, workspace.probe, workspace.model
        ids = [training_set.ids[row] for row in rows]
        captions = model.encode_captions([training_set.captions[row] for row in rows])
        for start in range(0, len(rows), batch_size):  # each kept by the workspace
            training_latents(workspace, rows[start : start + batch_size])
            yield Progress(self.name, "encoding training images", start, len(rows))
        latents = training_latents(workspace, rows)
        known = [k for k in noises if k < probe.pool]
        unknown = [k for k in noises if k >= probe.pool]
        sweeps = [(unlearned.weights, noises)] + ([(model.weights, unknown)] if unknown else [])
        total = len(rows) * len(probe.timesteps) * sum(len(numbers) for _, numbers in sweeps)
        results, before_this = [], 0
        yield Progress(self.name, stage, 0, total)
        for weights, numbers in sweeps:
            done, losses = 0, np.empty(0, np.float32)
            for done, losses in loss_sweep(
                model, weights, latents, captions, ids, probe, batch_size, numbers
            ):
                yield Progress(self.name, stage, before_this + done, total)
            check_finite(losses, ids)
            results.append(losses.astype(np.float64))
            before_this += done
        stored = workspace.load(LOSSES)[rows][..., known].astype(np.float64)
        rises: Float64[ndarray, "n timesteps noises"]
        rises = results[0] - np.concatenate([stored, *results[1:]], axis=2)
        return rises


METHODS = (
    AbU(),
    AbU(  # AbU with EK-FAC in place of the diagonal Fisher information (FastGDA, NeurIPS 2025)
        name="abu-plus",
        title="Unlearning (AbU+)",
        description="The same with EK-FAC curvature: unlearning that knows which weights move together.",
        curvature="ekfac",
    ),
)


def control_rows(workspace: Workspace, seed: int) -> Int[ndarray, " controls"]:
    """Rows of random training images, the same for every query of a seed."""
    count = len(workspace.training_set)
    rng = generator(seed, "controls")
    return np.sort(rng.choice(count, size=min(CONTROLS, count), replace=False))


def _standing_scores(standing: Standing, rows: Int[ndarray, " n"]) -> Scores:
    measured = np.flatnonzero(~np.isnan(standing.values))
    details = {
        "draws": int(standing.spent),
        "rounds": standing.rounds,
        "measured": len(measured),
        "measured_again": int((standing.draws > standing.draws[measured].min()).sum()),
        "separated": standing.settled,
    }
    return Scores(
        rows[measured],
        standing.values[measured],
        standing.stderr[measured],
        details,
        final=standing.over,
    )


def _self_check(query_rise: float, control_rise: float) -> tuple[str, ...]:
    if control_rise < CONTROL_SHARE * query_rise:
        return ()
    return (
        f"unlearning was not selective: the loss of random training images rose by {control_rise:.1%} "
        f"while the picture's own rose by {query_rise:.1%}; read these scores with care",
    )
