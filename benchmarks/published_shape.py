"""The published MSCOCO model's shape with random weights: what a query of that size would cost.

A slice of the exhaustive scan is timed and scaled to all of it: 118,287 images, both flips, five
captions, twenty timesteps. Refined is the gradient and the calibrated step, measured, and as many draws
as it takes to measure a shortlist of 10,000 once with two noises, scaled from the slice if that is
smaller.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from attribution.data.files import cache_root
from attribution.gradients.curvature import Diagonal
from attribution.gradients.draw_gradient import gradient_over_draws
from attribution.gradients.fisher import fisher_chunk, mean_of_chunks
from attribution.methods.abu import AbUOptions
from attribution.models.base import Weights
from attribution.models.batch import Batch
from attribution.models.draws import Probe, stratified_draws, timestep_grid
from attribution.models.stable_diffusion import PipelineModel
from attribution.unlearning import step as unlearning
from attribution.unlearning.calibration import calibrated_step, linear_step
from benchmarks.compiling import CompiledByTorch
from benchmarks.reports import Report, machine, small_print
from benchmarks.rounding import PRECISIONS, Rounding, of_images, of_trained_model, open_rounded
from benchmarks.scanning import PlainBatch, mean_losses, noise_ahead, noise_now
from benchmarks.shapes import MSCOCO, Images, Shape, random_images, write_pipeline
from evaluation.markdown import table

SHORTLIST = 10_000
FISHER_IMAGES = 8
GOALS = {"exhaustive": 600.0, "refined": 10.0}  # seconds, on a CUDA machine
WORDS = """\
A U-Net of {channels} channels, latents {latent}, captions of {tokens} tokens of {width}, **random \
weights** ({weights:.0f} million, {gflop:.1f} GFLOP a draw), {precision}, on {device}. {slice:,} of the \
images with both flips and all captions were measured, {draws:,} draws at {per_second:,.0f} a second \
(median of {rounds}); the rest is **scaled** from that. Captions are given as embeddings: their encoder \
is no part of the shape.

"""
AFTER = """
The goal of the exhaustive scan takes {needed:,.0f} TFLOP/s, without a pause. The noise of the next \
batches is made by {processes} other processes. Made in turn with the passes, as the library does it, it \
takes {noise:.0f} µs a draw more ({alone:,.0f} draws a second then).{rounding}

"""
ROUNDED = """ \
Against fp32, {precision} moves scores by {random:.2g} of their standard deviation over training images, \
and by {trained:.2g} under the embedded, trained model (Spearman {spearman:.3f}): both losses in \
{precision}, keys, values and the step itself in fp32."""


@dataclass(frozen=True)
class Timing:
    """What was measured.

    Attributes:
        draw, alone: seconds a draw with noise made ahead, and by the library's own loop.
        noise: seconds that one process needs for one draw's noise.
        fixed: seconds of gradient and calibrated step.
        rise: of the query's own loss after the step.
        draws: of the slice, each round.
    """

    draw: float
    alone: float
    noise: float
    fixed: float
    rise: float
    draws: int

    def exhaustive(self, shape: Shape) -> float:
        """Seconds of a whole query that measures everything, scaled."""
        return self.fixed + shape.images * shape.draws_each * self.draw

    def refined(self, shape: Shape) -> float:
        """Seconds of a whole query that measures a shortlist, scaled."""
        return self.fixed + refined_draws(shape) * self.draw


def refined_draws(shape: Shape, noises: int = 2) -> int:
    """Draws that measure the shortlist once: every timestep, with two noises for a standard error."""
    return shortlist(shape) * shape.timesteps * noises


def shortlist(shape: Shape) -> int:
    return min(SHORTLIST, shape.images)


class PublishedShape:
    name = "published-shape"
    description = "the published MSCOCO model's shape, timed on a slice"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--slice", type=int, metavar="N", help="images (default 1 on cpu, 2,000 on cuda)"
        )
        parser.add_argument("--rounds", type=int, default=3, metavar="K")
        parser.add_argument("--precision", choices=PRECISIONS, help="default fp32 on cpu, bf16 on cuda")
        parser.add_argument(
            "--compile", action="store_true", help="time the U-Net compiled by torch.compile"
        )
        parser.add_argument("--batch-size", type=int, metavar="B", help="default 64 on cpu, 4,096 on cuda")
        words = "images whose scores' rounding is measured (default 16 on cpu, 200 on cuda)"
        parser.add_argument("--rounded", type=int, metavar="N", help=words)
        parser.add_argument("--noise-processes", type=int, metavar="P", help="default: all cores but one")
        parser.add_argument("--cache", type=Path, default=cache_root() / "published-shape", metavar="DIR")

    def run(self, options: argparse.Namespace) -> Report:
        whole = with_defaults(options)
        with ProcessPoolExecutor(whole.noise_processes, get_context("spawn")) as pool:
            list(pool.map(abs, range(whole.noise_processes)))  # they have started
            return benchmark(MSCOCO, whole, pool)


BENCHMARKS = (PublishedShape(),)


def with_defaults(options: argparse.Namespace) -> argparse.Namespace:
    """What was not given, by device."""
    cuda = options.device.startswith("cuda")
    standard = {
        "slice": 2_000 if cuda else 1,
        "precision": "bf16" if cuda else "fp32",
        "batch_size": 4_096 if cuda else 64,
        "rounded": 200 if cuda else 16,
        "noise_processes": max(1, (os.cpu_count() or 1) - 1),
    }
    given = {name: value for name, value in vars(options).items() if value is not None}
    return argparse.Namespace(**{**vars(options), **standard, **given})


def benchmark(shape: Shape, options: argparse.Namespace, pool: Executor) -> Report:
    """Time, measure the rounding, report."""
    folder = write_pipeline(shape, options.cache)
    model = open_rounded(folder, options.device, options.precision)
    if options.compile:
        model = CompiledByTorch(folder, options.device, options.precision)
    images = random_images(shape, options.slice, options.device)
    probe = Probe(timestep_grid(model.num_train_timesteps, shape.timesteps), noises=1)
    step, fixed = unlearned(model, shape, options.batch_size)
    ahead = partial(noise_ahead, pool, options.noise_processes)
    scan = timed(model, step.weights, images, probe, options.batch_size, ahead, options.rounds)
    timing = replace(scan, fixed=fixed, rise=step.rise)
    roundings = None
    if options.precision != "fp32":
        few = random_images(shape, options.rounded, options.device, variants=1)
        roundings = (
            of_images(folder, options.device, options.precision, step.weights, few, probe),
            of_trained_model(options.workspace, options.device, options.precision, options.rounded),
        )
    return report(shape, model, timing, roundings, options)


def unlearned(model: PipelineModel, shape: Shape, batch: int) -> tuple[unlearning.Unlearned, float]:
    """The calibrated step of a random picture, and the seconds of its gradient and calibration.

    On a GPU the second of two runs is timed: the first one warms up.
    """
    options, query = AbUOptions(), random_images(shape, 1, str(model.device), variants=1)
    few = random_images(shape, FISHER_IMAGES, str(model.device), variants=1)
    sums = fisher_chunk(model, few.latents, few.captions, few.ids, 2, 0, batch)
    fisher = {name: value.float().to(model.device) for name, value in mean_of_chunks(iter([sums])).items()}
    curvature, latent = Diagonal(fisher, options.damping), query.latents.to(model.device)
    draws = stratified_draws(model, options.draws, 0, "unlearning")
    held_out = stratified_draws(model, options.calibration_draws, 0, "calibration").of(
        latent, query.captions
    )
    found, seconds = None, 0.0
    for _ in range(1 if model.device.type == "cpu" else 2):
        began = time.perf_counter()
        *_, gradient = gradient_over_draws(model, draws.of(latent, query.captions), batch_size=batch)
        direction = unlearning.ascent_direction(gradient.mean, curvature, shape.images)
        guess = linear_step(gradient, direction, options.target_rise)
        *_, (_, found) = calibrated_step(model, direction, held_out, options.target_rise, guess=guess)
        seconds = time.perf_counter() - began
    assert found is not None
    return found, seconds


def timed(
    model: PipelineModel,
    weights: Weights,
    images: Images,
    probe: Probe,
    batch: int,
    ahead: Callable[..., Iterator[PlainBatch]],
    rounds: int,
) -> Timing:
    """Seconds a draw over the slice, with noise made ahead and as the library makes it, in turn."""
    draws = len(images.ids) * len(probe.timesteps) * probe.noises
    drawn = (probe, images.ids, model.latent_shape, batch)
    seconds = []
    for _ in range(rounds + 1):  # the first warms up
        began = time.perf_counter()
        mean_losses(model, weights, images, ahead(*drawn))
        middle = time.perf_counter()
        mean_losses(model, weights, images, noise_now(*drawn))
        seconds.append(((middle - began) / draws, (time.perf_counter() - middle) / draws))
    began = time.perf_counter()
    for _ in noise_now(*drawn):
        pass
    noise = (time.perf_counter() - began) / draws
    with_pool, alone = (statistics.median(column) for column in zip(*seconds[1:], strict=True))
    return Timing(with_pool, alone, noise, fixed=0.0, rise=0.0, draws=draws)


def duration(seconds: float) -> str:
    """Seconds as text, in the unit that fits."""
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.1f} s"


def flops_of_a_draw(model: PipelineModel, shape: Shape) -> int:
    """Floating-point operations of one forward pass."""
    one = random_images(shape, 1, str(model.device), variants=1)
    latent = one.latents.to(model.device)
    with FlopCounterMode(display=False) as counter:
        draw = Batch(latent, one.captions, torch.zeros_like(latent), torch.zeros(1, dtype=torch.long))
        calls = model._calls(model.weights, draw.conditioning)
        with (
            torch.no_grad(),
            model._skeletons.using(calls) as denoiser,
        ):  # torch, for nothing else is counted
            model._predicted(denoiser, draw.to(model.device))
    return int(counter.get_total_flops())


def report(
    shape: Shape,
    model: PipelineModel,
    timing: Timing,
    roundings: tuple[Rounding, Rounding] | None,
    options: argparse.Namespace,
) -> Report:
    measured_on = machine(options.device)
    seconds = {"exhaustive": timing.exhaustive(shape), "refined": timing.refined(shape)}
    scanned = f"{shape.images:,} images, {shape.flips} flips, {shape.captions} captions"
    rows = [
        (f"exhaustive: {scanned}, {shape.timesteps} timesteps", f"{shape.images * shape.draws_each:,}"),
        (f"refined: a shortlist of {shortlist(shape):,}, two noises", f"{refined_draws(shape):,}"),
    ]
    scaled = [
        (*row, duration(value), duration(GOALS[name]))
        for row, (name, value) in zip(rows, seconds.items(), strict=True)
    ]
    scaled.append(("of either, gradient and calibrated step: measured", "", f"{timing.fixed:.2f} s", ""))
    gflop = flops_of_a_draw(model, shape) / 1e9
    text = _words(shape, model, timing, options, gflop)
    text += table(("", "draws", "seconds, scaled", "goal on CUDA"), scaled)
    needed = shape.images * shape.draws_each * gflop / 1e3 / GOALS["exhaustive"]
    text += AFTER.format(
        needed=needed,
        processes=options.noise_processes,
        noise=1e6 * timing.noise,
        alone=1 / timing.alone,
        rounding="" if roundings is None else _rounding_words(*roundings, options.precision),
    )
    figures = {
        "shape": asdict(shape),
        "timing": asdict(timing),
        "seconds": seconds,
        "precision": options.precision,
        "slice": options.slice,
        "rounding": None if roundings is None else [asdict(each) for each in roundings],
        "machine": measured_on,
    }
    return Report(figures, text + small_print(measured_on))


def _words(
    shape: Shape, model: PipelineModel, timing: Timing, options: argparse.Namespace, gflop: float
) -> str:
    channels, side = shape.latent
    return WORDS.format(
        channels="/".join(map(str, shape.channels)),
        latent=f"{side}×{side}×{channels}",
        tokens=shape.tokens,
        width=shape.width,
        weights=sum(p.numel() for p in model.unet.parameters()) / 1e6,
        gflop=gflop,
        precision=options.precision,
        device=machine(options.device)["device"],
        slice=options.slice,
        draws=timing.draws,
        per_second=1 / timing.draw,
        rounds=options.rounds,
    )


def _rounding_words(random: Rounding, trained: Rounding, precision: str) -> str:
    return ROUNDED.format(
        precision=precision, random=random.ratio, trained=trained.ratio, spearman=trained.spearman
    )
