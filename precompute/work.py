"""What the jobs take, reckoned before they run: passes through the model, and bytes on the disk.

A job says what one of its rows takes; how long that is on this machine is measured in a few passes. Reading
pictures, projections and eigenbases are not counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from PIL import Image

from attribution.encoders.base import Encoder
from attribution.models.base import DiffusionModel, Objective
from attribution.models.batch import Batch
from attribution.models.draws import stratified_draws
from attribution.models.layers import selector

BATCHES = (2, 16, 64)  # draws of a measured pass: larger ones as long as they are quick
QUICK = 2.0  # seconds of a pass after which a larger one is tried
TIMES = 2  # that each is measured; the first call may compile


@dataclass(frozen=True)
class Work:
    """What one row of a job takes, and what the job leaves.

    Attributes:
        pictures: through the model's own encoder or decoder.
        passes: draws through the denoiser without a gradient.
        gradients: draws whose gradient is of the layers that are unlearned.
        whole: draws whose gradient is of all weights.
        encoder: the name of the encoder that embeds it; "" for none.
        stored: bytes of the artifact.
        sums: bytes of the sum so far, where the artifact is one.
    """

    pictures: float = 0
    passes: float = 0
    gradients: float = 0
    whole: float = 0
    encoder: str = ""
    stored: int = 0
    sums: int = 0


@dataclass(frozen=True)
class Pace:
    """Seconds on this machine of one picture, one draw of each kind, and one picture of each encoder."""

    picture: float
    one_pass: float
    gradient: float
    whole: float
    encoders: Mapping[str, float] = field(default_factory=dict)

    def seconds(self, work: Work) -> float:
        """Of one row."""
        return (
            work.pictures * self.picture
            + work.passes * self.one_pass
            + work.gradients * self.gradient
            + work.whole * self.whole
            + self.encoders.get(work.encoder, 0.0)
        )


def measured_pace(model: DiffusionModel, encoders: Mapping[str, Encoder], caption: str) -> Pace:
    """A few passes of each kind: seconds where the model is small, a minute where it is large.

    Args:
        caption: one that the model was trained with: a class, where it knows classes.
    """
    blank = Image.new("RGB", (model.resolution, model.resolution), "grey")
    told = model.encode_captions([caption])
    latent = torch.zeros(1, *model.latent_shape, device=model.device)

    def batch(count: int) -> Batch:
        return stratified_draws(model, count, 0, "pace").of(latent, told)

    return Pace(
        _seconds_each(lambda count: model.encode_images([blank] * count)),
        _seconds_each(lambda count: model.squared_errors(model.weights, batch(count))),
        _seconds_each(lambda count: model.loss_and_factors(model.weights, batch(count))),
        _seconds_each(lambda count: model.whole_gradient(batch(count), Objective.LOSS)),
        {
            name: _seconds_each(lambda count, each=each: each.images([blank] * count))  # type: ignore[misc]
            for name, each in encoders.items()
        },
    )


def _seconds_each(call: Callable[[int], object]) -> float:
    """Seconds of one of several that are done together, as many as are done quickly."""
    each = float("inf")
    for count in BATCHES:
        seconds = min(_timed(call, count) for _ in range(TIMES))
        each = min(each, seconds / count)
        if seconds > QUICK:
            break
    return each


def _timed(call: Callable[[int], object], count: int) -> float:
    began = time.perf_counter()
    call(count)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def index_bytes(rows: int, dimensions: int, bits: int) -> int:
    """Of directions and their lengths."""
    return rows * (-(-dimensions * bits // 8) + 4)


def weight_bytes(model: DiffusionModel) -> int:
    """Of a number for each weight that is unlearned, in single precision."""
    return 4 * sum(weight.numel() for weight in model.weights.values())


def basis_bytes(model: DiffusionModel) -> int:
    """Of a basis of each layer's outputs and of its inputs, which layers that read captions share."""
    shapes = [tuple(weight.shape) for weight in model.weights.values()]
    inputs = [shape[1] for shape in shapes]
    shared = selector(model.layers).reads_captions
    return 4 * sum(side**2 for side in [shape[0] for shape in shapes] + (inputs[:1] if shared else inputs))
