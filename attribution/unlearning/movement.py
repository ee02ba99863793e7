"""How far a model's predictions for training images move when its weights do.

The rise of a draw's loss is the squared change of the prediction, and twice that change times the error
that was there before:

    |f_u - y|^2 - |f_0 - y|^2  =  |f_u - f_0|^2  +  2 <f_0 - y, f_u - f_0>

Were the model the best that could be, the second term would be nothing on average, for its error would have
nothing to do with what it predicts. It is what a training image and a draw of noise happen to be, it has
either sign, and over an image it is far the larger one: it drowns the first. This is the first alone. It is
proportional to the divergence (Kullback-Leibler) of the two models' denoising distributions, by which DAS
(Lin et al., ICLR 2025) compares models too, there to first order.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int
from numpy import ndarray

from attribution.models.base import Weights, masked_mean
from attribution.models.draws import Probe, probe_draws
from attribution.models.losses import check_finite
from attribution.results import Progress
from attribution.unlearning.measuring import encoded
from attribution.unlearning.racing import Rises
from attribution.workspace.baseline import training_inputs
from attribution.workspace.workspace import Workspace

PASSES = 2  # of each draw: before and after


def spread(probe: Probe, count: int) -> Probe:
    """The same with `count` of its timesteps, evenly spread, or all if it has no more."""
    places = spread_places(len(probe.timesteps), count)
    return replace(probe, timesteps=tuple(probe.timesteps[place] for place in places))


def spread_places(there: int, count: int) -> list[int]:
    """`count` of the places 0 ... `there` - 1, evenly spread, or all if there are no more."""
    count = min(count, there)
    return [int((place + 0.5) * there / count) for place in range(count)]


@dataclass(frozen=True)
class Moved:
    """The squared change of the predictions for training images, weighed as the loss is in training.

    Attributes:
        method: in whose name progress is yielded.
        weights: those after.
        probe: its timesteps, and what the noise belongs to.
        batch_size: of forward passes.
    """

    method: str
    workspace: Workspace
    weights: Weights
    probe: Probe
    batch_size: int

    def changes(
        self, rows: Int[ndarray, " n"], noises: range, stage: str
    ) -> Generator[Progress, None, Rises]:
        """Yield progress; return every draw's mean over the latent's elements.

        Raises:
            NonFiniteError: one is not finite; names the images.
        """
        yield from encoded(self.method, self.workspace, rows, self.batch_size)
        total = PASSES * len(rows) * len(self.probe.timesteps) * len(noises)
        yield Progress(self.method, stage, 0, total)
        under = changes_under(self.workspace, [self.weights], self.probe, rows, noises, self.batch_size)
        changes = np.empty(0)
        for done, changes in under:
            yield Progress(self.method, stage, PASSES * done, total)
        found: Rises = changes[0]
        return found

    worth = changes

    def draws_of(self, noises: range) -> int:
        """How many forward passes one image takes."""
        return PASSES * len(self.probe.timesteps) * len(noises)


def changes_under(
    workspace: Workspace,
    several: Sequence[Weights],
    probe: Probe,
    rows: Int[ndarray, " n"],
    noises: range,
    batch_size: int,
) -> Iterator[tuple[int, Float64[ndarray, "weights n timesteps noises"]]]:
    """How far each of several weights moves the predictions for some training images.

    Yields after each batch how many draws are done, and the changes, the same array every time: filled as
    far as that goes. What is predicted under the loaded weights is predicted once for all.

    Raises:
        NonFiniteError: one is not finite; names the images.
    """
    latents, captions, ids = training_inputs(workspace, rows)
    model = workspace.model
    changes = np.empty((len(several), len(ids), len(probe.timesteps), len(noises)))
    for draws in probe_draws(probe, noises, ids, model.latent_shape, batch_size):
        batch = draws.of(latents, captions).to(model.device)
        before = model.predict(model.weights, batch)
        for weights, found in zip(several, changes, strict=True):
            change = model.parametrisation.squared_change(model.predict(weights, batch), before, batch)
            found.reshape(-1)[draws.numbers] = masked_mean(change, None).cpu().numpy()
        yield int(draws.numbers[-1]) + 1, changes
    for found in changes:
        check_finite(found, ids, "the change of predictions")
