"""A scan of many training images for timing: noise made ahead by other processes, or as the library does.

Noise belongs to the example (`attribution.rng`), so it does not matter who makes it, nor when.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from itertools import islice

import torch
from jaxtyping import Float
from numpy import ndarray

from attribution.models.base import Weights, masked_mean
from attribution.models.batch import Batch
from attribution.models.draws import Probe, probe_draws
from attribution.models.stable_diffusion import PipelineModel
from benchmarks.shapes import Images

AHEAD = 3  # batches of noise a process

PlainBatch = tuple[ndarray, ndarray, ndarray]  # rows of examples, timesteps, noise


def mean_losses(
    model: PipelineModel, weights: Weights, images: Images, batches: Iterator[PlainBatch]
) -> Float[ndarray, " n"]:
    """The mean loss of each example over its draws; nothing comes back from a GPU before the end."""
    sums = torch.zeros(len(images.ids), dtype=torch.float64, device=model.device)
    counts = torch.zeros_like(sums)
    for numbers, timesteps, noise in batches:
        rows = torch.from_numpy(numbers)
        where = rows.to(model.device)
        draws = Batch(
            images.latents[rows],
            images.captions[rows],
            torch.from_numpy(noise),
            torch.from_numpy(timesteps),
        )
        errors = model.squared_errors(weights, draws)
        sums.index_add_(0, where, masked_mean(errors, None).double())
        counts.index_add_(0, where, torch.ones_like(where, dtype=torch.float64))
    found: Float[ndarray, " n"] = (sums / counts).cpu().numpy()
    return found


def noise_now(probe: Probe, ids: Sequence[str], shape: Sequence[int], batch: int) -> Iterator[PlainBatch]:
    """The draws of a full measurement as plain arrays, made when they are asked for."""
    for draws in probe_draws(probe, range(probe.noises), ids, shape, batch):
        yield draws.examples.numpy(), draws.timesteps.numpy(), draws.noise.numpy()


def noise_ahead(
    pool: Executor, processes: int, probe: Probe, ids: Sequence[str], shape: Sequence[int], batch: int
) -> Iterator[PlainBatch]:
    """The same draws, made by a pool of processes a few batches ahead; batches end between examples."""
    each = max(1, batch // (len(probe.timesteps) * probe.noises))  # examples a batch
    starts = iter(range(0, len(ids), each))
    waiting: deque[tuple[int, Future[list[PlainBatch]]]] = deque()

    def submit(count: int) -> None:
        for start in islice(starts, count):
            batches = pool.submit(_all_at_once, probe, tuple(ids[start : start + each]), tuple(shape))
            waiting.append((start, batches))

    submit(AHEAD * processes)
    while waiting:
        start, batches = waiting.popleft()
        for rows, timesteps, noise in batches.result():
            yield rows + start, timesteps, noise
        submit(1)


def _all_at_once(probe: Probe, ids: tuple[str, ...], shape: tuple[int, ...]) -> list[PlainBatch]:
    return list(noise_now(probe, ids, shape, len(ids) * len(probe.timesteps) * probe.noises))
