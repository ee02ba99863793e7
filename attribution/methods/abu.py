"""AbU: attribution by unlearning (Wang et al., NeurIPS 2024).

Unlearn the picture, and see which training images are forgotten with it: the score of a training
image is the rise of its own loss, `tau_i = L(z_i; theta_u) - L(z_i; theta_0)`, with the same noises
and timesteps on both sides.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float64, Int
from numpy import ndarray

from attribution.analysis.loss_map import Forgotten, forgotten
from attribution.gradients.draw_gradient import QueryGradient
from attribution.gradients.query_gradient import Memory, query_gradient, query_key, query_tensors, verdicts
from attribution.models.draws import stratified_draws
from attribution.models.losses import check_finite, loss_sweep
from attribution.query import Candidates, Query, Settings
from attribution.results import Progress, Scores
from attribution.rng import generator
from attribution.unlearning import step as unlearning
from attribution.unlearning.calibration import MAX_TRIALS, calibrated_step, linear_step
from attribution.unlearning.racing import Rises, Standing, mean_and_error, race
from attribution.unlearning.step import Unlearned
from attribution.workspace.workspace import Workspace

CONTROLS = 16  # random training images whose loss should not rise with the query's
CONTROL_SHARE = 0.25  # of the query's rise: above it, unlearning was not selective
PART = 128  # images of a full measurement between two looks at the ranking


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
    slow: bool = True
    unlearned: Memory[Unlearned] = field(default_factory=Memory, repr=False, compare=False)

    def needs(self, workspace: Workspace) -> tuple[str, ...]:
        return ("losses", "fisher") if self.curvature == "fisher" else ("losses", "kfac", "ekfac")

    def score(
        self, workspace: Workspace, query: Query, settings: Settings, candidates: Candidates
    ) -> Iterator[Progress | Scores]:
        unlearned = yield from self.unlearn(workspace, query, settings)
        self.unlearned.put(self._key(workspace, query, settings), unlearned)
        controls = control_rows(workspace, settings.seed)
        rises = yield from self._rises(
            workspace, unlearned, controls, range(1), settings, "checking controls"
        )
        before = workspace.losses()[controls][..., :1].astype(np.float64)
        control_rise = float(rises.mean() / before.mean())
        measured = self._raced if candidates.race else self._measured
        details: dict[str, Any] = {
            "alpha": unlearned.alpha,
            "curvature": self.curvature,
            "damping": 0.0 if settings.alpha else settings.damping,
            "query_loss_before": unlearned.loss_before,
            "query_loss_after": unlearned.loss_after,
            "query_rise": unlearned.rise,
            "control_rise": control_rise,
            "calibration_trials": unlearned.trials,
        }
        warnings = _self_check(unlearned.rise, control_rise)
        *_, gradient = query_gradient(workspace, query, settings)  # remembered
        judged = verdicts(workspace, gradient, settings)
        details |= judged.details() if judged else {}
        for event in measured(workspace, unlearned, settings, candidates):
            if isinstance(event, Scores):
                z = judged.z[event.rows] if judged else None
                yield replace(event, details={**details, **event.details}, warnings=warnings, z=z)
            else:
                yield event

    def how_forgotten(
        self, workspace: Workspace, query: Query, settings: Settings, row: int
    ) -> Forgotten | None:
        """How a training image was forgotten; None unless the query was asked a short while ago."""
        known = self.unlearned.get(self._key(workspace, query, settings))
        return None if known is None else forgotten(workspace, known.weights, row)

    def _key(self, workspace: Workspace, query: Query, settings: Settings) -> str:
        step = (settings.calibration_draws, settings.target_rise, settings.alpha, settings.damping)
        return f"{query_key(workspace, query, settings)} {step}"

    def unlearn(
        self, workspace: Workspace, query: Query, settings: Settings
    ) -> Generator[Progress, None, Unlearned]:
        """Yield progress; returns the weights that have forgotten the query."""
        model = workspace.model
        gradients = query_gradient(workspace, query, settings)
        gradient = yield from self._told(gradients, settings)
        damping = 0.0 if settings.alpha else settings.damping  # --alpha is the paper's own step
        direction = unlearning.ascent_direction(
            gradient.mean, workspace.curvature(self.curvature, damping), len(workspace.training_set)
        )
        latent, caption, mask = query_tensors(workspace, query)
        draws = stratified_draws(model, settings.calibration_draws, settings.seed, "calibration")
        held_out = draws.of(latent, caption)
        if settings.alpha is not None:
            return unlearning.fixed_step(model, direction, held_out, settings.alpha, mask)
        guess = linear_step(gradient, direction, settings.target_rise)
        trials = calibrated_step(model, direction, held_out, settings.target_rise, mask, guess)
        for trial, unlearned in trials:
            if unlearned is not None:
                return unlearned
            yield Progress(self.name, "calibrating the step", trial, MAX_TRIALS)
        raise AssertionError("calibration ends with a result or an error")

    def _told(
        self, gradients: Generator[QueryGradient, None, QueryGradient], s: Settings
    ) -> Generator[Progress, None, QueryGradient]:
        yield Progress(self.name, "computing the gradient", 0, s.unlearning_draws)
        last = None
        for last in gradients:
            yield Progress(self.name, "computing the gradient", last.draws, last.total)
        assert last is not None
        return last

    def _measured(
        self, workspace: Workspace, unlearned: Unlearned, settings: Settings, candidates: Candidates
    ) -> Iterator[Progress | Scores]:
        """Every candidate in full, in order of promise; yields the scores so far after each part."""
        noises = range(workspace.probe.noises)
        total = len(candidates.rows)
        values, stderr = np.empty(total), np.empty(total)
        for start in range(0, total, PART):
            rows = candidates.rows[start : start + PART]
            stage = f"measuring training images {start + 1:,} to {start + len(rows):,} of {total:,}"
            rises = yield from self._rises(workspace, unlearned, rows, noises, settings, stage)
            end = start + len(rows)
            values[start:end], stderr[start:end] = mean_and_error(rises)
            errors = None if len(noises) < 2 else stderr[:end].copy()
            yield Scores(candidates.rows[:end], values[:end].copy(), errors, final=end == total)

    def _raced(
        self, workspace: Workspace, unlearned: Unlearned, settings: Settings, candidates: Candidates
    ) -> Iterator[Progress | Scores]:
        """The most promising candidates, as far as the budget goes; yields a ranking after each round."""
        probe, rows = workspace.probe, candidates.rows
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
            rises = yield from self._rises(workspace, unlearned, chosen, numbers(number), settings, stage)
            return rises

        for event in race(len(rows), settings.top_k, settings.budget, cost(0), cost, measure):
            if isinstance(event, Standing):
                yield _standing_scores(event, rows)
            else:
                assert isinstance(event, Progress)
                yield event

    def _rises(
        self,
        workspace: Workspace,
        unlearned: Unlearned,
        rows: Int[ndarray, " n"],
        noises: range,
        settings: Settings,
        stage: str,
    ) -> Generator[Progress, None, Float64[ndarray, "n timesteps noises"]]:
        """Yield progress; returns the rise of every draw's loss of some training images."""
        training_set, probe, model = workspace.training_set, workspace.probe, workspace.model
        ids = [training_set.ids[row] for row in rows]
        captions = model.encode_captions([training_set.captions[row] for row in rows])
        for start in range(0, len(rows), settings.batch_size):  # each kept by the workspace
            workspace.latents(rows[start : start + settings.batch_size])
            yield Progress(self.name, "encoding training images", start, len(rows))
        latents = workspace.latents(rows)
        known = [k for k in noises if k < probe.pool]
        unknown = [k for k in noises if k >= probe.pool]
        sweeps = [(unlearned.weights, noises)] + ([(model.weights, unknown)] if unknown else [])
        total = len(rows) * len(probe.timesteps) * sum(len(numbers) for _, numbers in sweeps)
        results, before_this = [], 0
        yield Progress(self.name, stage, 0, total)
        for weights, numbers in sweeps:
            done, losses = 0, np.empty(0, np.float32)
            for done, losses in loss_sweep(
                model, weights, latents, captions, ids, probe, settings.batch_size, numbers
            ):
                yield Progress(self.name, stage, before_this + done, total)
            check_finite(losses, ids)
            results.append(losses.astype(np.float64))
            before_this += done
        stored = workspace.losses()[rows][..., known].astype(np.float64)
        rises: Float64[ndarray, "n timesteps noises"]
        rises = results[0] - np.concatenate([stored, *results[1:]], axis=2)
        return rises


METHOD = AbU()


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
