"""Training images measured draw by draw at the workspace's own probe: what the methods that measure share.

What a draw of a training image is worth is a function of the method (`Measurement`): the rise of its loss
under other weights (`Remeasured`), or whatever else can be had of one draw. Every candidate alike, or in
a race for the best of them within a budget (`attribution.unlearning.racing`), is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from attribution.data.preprocessing import LARGER_SIDE
from attribution.models.base import Weights
from attribution.models.draws import Probe
from attribution.models.losses import check_finite, loss_sweep
from attribution.query import Candidates, Settings
from attribution.results import Progress, Scores
from attribution.rng import generator
from attribution.unlearning.parts import Measurement, Measuring, Part, parts
from attribution.unlearning.racing import Rises, Standing, mean_and_error, race
from attribution.workspace.baseline import (
    captions_each,
    flips_of,
    known_losses,
    losses_kind,
    mean_over_captions,
    side_latents,
    sides,
    training_captions,
)
from attribution.workspace.workspace import Workspace

CONTROLS = 16  # random training images whose loss should not rise with the query's
CONTROL_SHARE = 0.25  # of the query's rise: above it, unlearning was not selective


@dataclass(frozen=True)
class Remeasured:
    """The losses of training images before and after the weights changed, on the same draws.

    Attributes:
        method: in whose name progress is yielded.
        weights: those after.
        batch_size: of forward passes.
    """

    method: str
    workspace: Workspace
    weights: Weights
    batch_size: int

    def rises(
        self, rows: Int[ndarray, " n"], noises: range, stage: str
    ) -> Generator[Progress, None, Rises]:
        """Yield progress; return the rise of every draw's loss of some training images, see `of_sides`."""
        rises = yield from self.of_sides(rows, noises, stage, lambda before, after: after - before)
        return rises

    worth = rises

    def of_sides(
        self,
        rows: Int[ndarray, " n"],
        noises: range,
        stage: str,
        change: Callable[[Rises, Rises], Rises],
    ) -> Generator[Progress, None, Rises]:
        """Yield progress; return the change of every draw's loss of some training images.

        Of a picture that was trained on flipped as well, the mean of both sides, or the side that changes
        more, as AbU scores COCO (see `Preparation`).

        Args:
            change: (losses before, losses after) => what is to be known of them, draw by draw.
        """
        changes: list[Rises] = []
        for flipped in sides(self.workspace):
            before, after = yield from self.losses(rows, noises, stage, flipped)
            changes.append(change(before, after))
        if flips_of(self.workspace) == LARGER_SIDE:
            return of_larger_mean(*changes)
        mean: Rises = np.mean(changes, axis=0)
        return mean

    def losses(
        self, rows: Int[ndarray, " n"], noises: range, stage: str, flipped: bool = False
    ) -> Generator[Progress, None, tuple[Rises, Rises]]:
        """Yield progress; return every draw's loss before and after, (images, timesteps, noises) each.

        Those before are read from the artifact, as far as its pool of noises goes. Each is the mean over
        the captions of a picture.

        Raises:
            NonFiniteError: a loss is not finite; names the images.
        """
        workspace, batch_size = self.workspace, self.batch_size
        probe, model = workspace.probe, workspace.model
        yield from encoded(self.method, workspace, rows, batch_size)
        latents, told = side_latents(workspace, rows, flipped), training_captions(workspace, rows)
        known = [k for k in noises if k < probe.pool]
        unknown = [k for k in noises if k >= probe.pool]
        sweeps = [(self.weights, noises)] + ([(model.weights, unknown)] if unknown else [])
        passes = [(weights, numbers, *each) for weights, numbers in sweeps for each in told]
        draws = sum(len(which) * len(numbers) for _, numbers, which, _ in passes)
        total = len(probe.timesteps) * draws
        measured, before_this = [], 0
        yield Progress(self.method, stage, 0, total)
        for weights, numbers, which, captions in passes:
            done, losses = 0, np.empty(0, np.float32)
            ids = [workspace.training_set.ids[row] for row in rows[which]]
            for done, losses in loss_sweep(
                model, weights, latents[which], captions, ids, probe, batch_size, numbers, flipped
            ):
                yield Progress(self.method, stage, before_this + done, total)
            check_finite(losses, ids)
            measured.append(losses.astype(np.float64))
            before_this += done
        each = len(told)
        results = [mean_over_captions(told, measured[k : k + each]) for k in range(0, len(measured), each)]
        stored = workspace.load(losses_kind(flipped))[rows][..., known].astype(np.float64)
        return np.concatenate([stored, *results[1:]], axis=2), results[0]

    def draws_of(self, noises: range) -> int:
        """How many forward passes one image takes: beyond the pool, its loss before is measured as well."""
        probe = self.workspace.probe
        passes = len(probe.timesteps) * (len(noises) + sum(k >= probe.pool for k in noises))
        return passes * len(sides(self.workspace)) * captions_each(self.workspace)

    def control_rise(self, seed: int) -> Generator[Progress, None, float]:
        """Yield progress; return the relative rise of the loss of random training images."""
        controls = control_rows(self.workspace, seed)
        rises = yield from self.rises(controls, range(1), "checking controls")
        before = [self.workspace.load(kind)[controls][..., :1] for kind in known_losses(self.workspace)]
        return float(rises.mean() / np.mean(before, dtype=np.float64))


def of_larger_mean(one: Rises, other: Rises) -> Rises:
    """Return each image's draws of whichever has the larger mean."""
    other_is_larger = other.mean(axis=(1, 2)) > one.mean(axis=(1, 2))
    chosen: Rises = np.where(other_is_larger[:, None, None], other, one)
    return chosen


def encoded(
    method: str, workspace: Workspace, rows: Int[ndarray, " n"], batch_size: int
) -> Iterator[Progress]:
    """Yields progress while latents of training images are read, or encoded and kept by the workspace."""
    for start in range(0, len(rows), batch_size):
        for flipped in sides(workspace):
            side_latents(workspace, rows[start : start + batch_size], flipped)
        yield Progress(method, "encoding training images", start, len(rows))


def measured(
    candidates: Candidates, workspace: Workspace, settings: Settings, measuring: Measuring
) -> Iterator[Progress | Scores]:
    """Progress, and the scores of candidates as they get better: the mean worth of their draws."""
    if candidates.race:
        yield from _raced(candidates, workspace.probe, settings, measuring(workspace))
    else:
        yield from _all_alike(candidates, workspace, measuring)


def _all_alike(
    candidates: Candidates, workspace: Workspace, measuring: Measuring
) -> Iterator[Progress | Scores]:
    """Every candidate in full, in order of promise; yields the scores so far after each part."""
    noises = range(workspace.probe.noises)
    total = len(candidates.rows)
    values, stderr = np.empty(total), np.empty(total)
    for event in parts(workspace, measuring, candidates.rows, noises):
        if not isinstance(event, Part):
            yield event
            continue
        start, end = event.places.start, event.places.stop
        values[start:end], stderr[start:end] = mean_and_error(event.worths)
        errors = None if len(noises) < 2 else stderr[:end].copy()
        yield Scores(candidates.rows[:end], values[:end].copy(), errors, final=end == total)


def _raced(
    candidates: Candidates, probe: Probe, settings: Settings, measurement: Measurement
) -> Iterator[Progress | Scores]:
    """The most promising candidates, as far as the budget goes; yields a ranking after each round."""
    rows, noises = candidates.rows, max(2, probe.noises)

    def numbers(round_number: int) -> range:
        return range(round_number * noises, (round_number + 1) * noises)

    def cost(round_number: int) -> int:
        return measurement.draws_of(numbers(round_number))

    def measure(positions: Int[ndarray, " n"], number: int) -> Generator[object, None, Rises]:
        again = f"measuring the best again, round {number}"
        stage = again if number else "measuring the most promising"
        worths = yield from measurement.worth(rows[positions], numbers(number), stage)
        return worths

    for event in race(len(rows), settings.top_k, settings.budget, cost(0), cost, measure):
        if isinstance(event, Standing):
            yield _standing_scores(event, rows)
        else:
            assert isinstance(event, Progress)
            yield event


def _standing_scores(standing: Standing, rows: Int[ndarray, " n"]) -> Scores:
    known = np.flatnonzero(~np.isnan(standing.values))
    details = {
        "draws": int(standing.spent),
        "rounds": standing.rounds,
        "measured": len(known),
        "measured_again": int((standing.draws > standing.draws[known].min()).sum()),
        "separated": standing.settled,
    }
    return Scores(
        rows[known],
        standing.values[known],
        standing.stderr[known],
        details,
        final=standing.over,
    )


def control_rows(workspace: Workspace, seed: int) -> Int[ndarray, " controls"]:
    """Rows of random training images, the same for every query of a seed."""
    count = len(workspace.training_set)
    rng = generator(seed, "controls")
    return np.sort(rng.choice(count, size=min(CONTROLS, count), replace=False))


def self_check(query_rise: float, control_rise: float) -> tuple[str, ...]:
    """What to say to a person if the losses of random images rose almost as the picture's own did."""
    if control_rise < CONTROL_SHARE * query_rise:
        return ()
    return (
        f"unlearning was not selective: the loss of random training images rose by {control_rise:.1%} "
        f"while the picture's own rose by {query_rise:.1%}; read these scores with care",
    )
