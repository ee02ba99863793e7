"""What the published settings would cost on a GPU: each kind of pass measured, the hours reckoned.

    python -m benchmarks gpu-hours --device cuda --dtype bf16
    python -m benchmarks.gpu_hours --device cuda --dtype bf16     the same, by itself

Models have the true shapes of Stable Diffusion 1.5 and SDXL and random weights. What is measured is printed
and written down after each part, so that a run that is cut leaves what it has.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from attribution.gradients.curvature import INPUTS, Diagonal, eigenvalue_chunk, kronecker_chunk
from attribution.gradients.draw_gradient import gradient_over_draws
from attribution.gradients.fisher import DRAWS, fisher_chunk
from attribution.models.denoiser_model import DenoiserModel
from attribution.models.draws import Probe, stratified_draws
from attribution.models.losses import example_losses
from attribution.models.precision import PRECISIONS
from attribution.rng import gaussian
from attribution.unlearning.step import ascent_direction, fixed_step
from benchmarks.random_models import RandomModel, miniatures, true_shapes
from benchmarks.reports import Report, machine, small_print
from benchmarks.shapes import MSCOCO
from evaluation.markdown import table

AT_ONCE = {"SD 1.5": 16, "SDXL": 4}  # draws and pictures of a pass; halved until there is memory for them
FEW = 2  # of a miniature
HELD_OUT = 8  # draws at which a step is tried, here
GRADIENT = 50_000  # draws of a query's gradient (AbU, MSCOCO)
PICTURE, CAPTION, LOSS, FISHER, KFAC, EKFAC, QUERY, STEP = (
    "encoding a picture",
    "encoding a caption",
    "a loss, a draw",
    "Fisher information, a draw",
    "K-FAC's factors, a draw",
    "EK-FAC's eigenvalues, a draw",
    "a query's gradient, a draw",
    "an unlearning step",
)
WORDS = """\
True shapes and **random weights**, the denoiser in {dtype} and all else in fp32, on {device}. *Measured*: \
seconds of one, of as many at once as stand beside, median of what {seconds:g} seconds allow; noise is \
made on the CPU in turn with the passes, as the library does it. An unlearning step is its direction and \
the picture's loss before and after, at {held_out} draws each.

"""
RECKONED = """
*Reckoned* from that, for {images:,} images by AbU's published settings for MSCOCO: {flips} flips, \
{captions} captions, {timesteps} timesteps with one noise, {gradient:,} draws of a query's gradient; and \
{fisher} draws of each image for every expectation, as here by default. Reading pictures and writing files \
is not counted. GPU hours:

"""


@dataclass(frozen=True)
class Measured:
    """One kind of pass.

    Attributes:
        seconds: of one picture, draw or step.
        at_once: how many were done together.
        peak: bytes of the GPU's memory in use at most, the model's among them; 0 on a CPU.
    """

    part: str
    seconds: float
    at_once: int
    peak: int


class Bench:
    """A model with what its parts are given; each part takes how many it does at once."""

    def __init__(self, model: DenoiserModel):
        self.model = model
        weights = model.weights.items()
        self._fisher = {name: torch.rand(weight.shape) for name, weight in weights}
        sides = {name: weight.shape[0] for name, weight in weights}
        sides[INPUTS] = next(iter(model.weights.values())).shape[1]  # one basis for all captions
        self._bases = {name: torch.eye(side) for name, side in sides.items()}
        self._told = model.encode_captions(["a picture of a street"])
        self.parts: dict[str, Callable[[int], object]] = {
            PICTURE: lambda count: model.encode_images([self._picture()] * count),
            CAPTION: lambda count: model.encode_captions(["a picture of a street"] * count),
            LOSS: self._losses,
            FISHER: lambda count: fisher_chunk(model, *self._image(), count, 0, count),
            KFAC: lambda count: kronecker_chunk(model, *self._image(), count, 0, count),
            EKFAC: lambda count: eigenvalue_chunk(model, *self._image(), count, 0, self._bases, count),
            QUERY: self._gradient,
            STEP: self._step,
        }

    def _picture(self) -> Image.Image:
        return Image.new("RGB", (self.model.resolution, self.model.resolution), "grey")

    def _image(self) -> tuple[torch.Tensor, Any, list[str]]:
        """A training image: latent, caption, id."""
        return gaussian(0, "picture", "", 0, self.model.latent_shape)[None], self._told, ["image"]

    def _losses(self, count: int) -> object:
        latent, told, _ = self._image()
        ids = [f"image-{k}" for k in range(count)]
        latents = latent.expand(count, -1, -1, -1)
        probe = Probe((500,), noises=1)
        return example_losses(
            self.model, self.model.weights, latents, told.expand(count), ids, probe, count
        )

    def _gradient(self, count: int) -> object:
        batch = stratified_draws(self.model, count, 0, "unlearning").of(*self._image()[:2])
        *_, gradient = gradient_over_draws(self.model, batch, batch_size=count)
        return gradient

    def _step(self, count: int) -> object:
        held_out = stratified_draws(self.model, HELD_OUT, 0, "calibration").of(*self._image()[:2])
        curvature = Diagonal(self._fisher, 0.1)
        direction = ascent_direction(self.model.weights, curvature, MSCOCO.images)  # any will do
        return fixed_step(self.model, direction, held_out, 1.0, batch_size=count)


class GpuHours:
    name = "gpu-hours"
    description = "what the published settings would cost for Stable Diffusion 1.5 and SDXL"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--dtype", choices=PRECISIONS, default="fp32", help="of the denoiser, default fp32"
        )
        parser.add_argument("--images", type=int, default=MSCOCO.images, metavar="N")
        parser.add_argument("--seconds", type=float, default=1.0, metavar="S", help="a part, default 1")
        parser.add_argument("--at-once", type=int, metavar="B", help="default 16, and 4 for SDXL")
        parser.add_argument("--tiny", action="store_true", help="miniatures, to try the command itself")
        parser.add_argument("--out", type=Path, default=Path("build/gpu-hours.json"), metavar="FILE")

    def run(self, options: argparse.Namespace) -> Report:
        figures: dict[str, Any] = {
            "dtype": options.dtype,
            "machine": machine(options.device),
            "seconds of a part": options.seconds,
            "models": {},
        }
        found: dict[str, dict[str, Measured]] = {}
        for random_model in miniatures() if options.tiny else true_shapes():
            own = found.setdefault(random_model.name, {})
            for each in measured(random_model, options):
                own[each.part] = each
                figures["models"][random_model.name] = [asdict(one) for one in own.values()]
                options.out.parent.mkdir(parents=True, exist_ok=True)
                options.out.write_text(json.dumps(figures, indent=2), encoding="utf-8")
                print(f"{random_model.name}: {each.part} {each.seconds:.4f} s", flush=True)
        hours = {name: reckoned(own, options.images) for name, own in found.items()}
        figures |= {"images": options.images, "gpu_hours": hours}
        options.out.write_text(json.dumps(figures, indent=2), encoding="utf-8")
        return Report(figures, _words(options, found, hours) + small_print(figures["machine"]))


BENCHMARKS = (GpuHours(),)


def measured(random_model: RandomModel, options: argparse.Namespace) -> Iterator[Measured]:
    """Yields each part when it has been measured; the model is gone when the last one has."""
    bench = Bench(random_model.opened(options.device, PRECISIONS[options.dtype]))
    at_once = options.at_once or AT_ONCE.get(random_model.name, FEW)
    for part, call in bench.parts.items():
        yield _part(part, call, at_once, options)
    del bench, call
    gc.collect()
    if options.device.startswith("cuda"):
        torch.cuda.empty_cache()


def _part(part: str, call: Callable[[int], object], at_once: int, options: argparse.Namespace) -> Measured:
    """One part, with half as many at once as long as memory does not suffice."""
    on_gpu = options.device.startswith("cuda")
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    try:
        seconds = _median_seconds(partial(call, at_once), options.seconds, on_gpu)
    except torch.OutOfMemoryError:
        if at_once <= 2:  # the least that draws are paired in
            raise
        return _part(part, call, at_once // 2, options)
    peak = torch.cuda.max_memory_allocated() if on_gpu else 0
    return Measured(part, seconds if part == STEP else seconds / at_once, at_once, peak)


def _median_seconds(call: Callable[[], object], seconds: float, on_gpu: bool) -> float:
    """Of the calls that so many seconds allow after one that warms up, at least one."""
    call()
    found = [_timed(call, on_gpu)]
    while sum(found) < seconds:
        found.append(_timed(call, on_gpu))
    return statistics.median(found)


def _timed(call: Callable[[], object], on_gpu: bool) -> float:
    if on_gpu:
        torch.cuda.synchronize()
    began = time.perf_counter()
    call()
    if on_gpu:
        torch.cuda.synchronize()
    return time.perf_counter() - began


def reckoned(found: Mapping[str, Measured], images: int) -> dict[str, float]:
    """GPU hours of each artifact and of a query, by the published settings."""
    losses = images * MSCOCO.draws_each * found[LOSS].seconds
    seconds = {
        "latents of both flips": images * MSCOCO.flips * found[PICTURE].seconds,
        "captions, once": images * MSCOCO.captions * found[CAPTION].seconds,
        "baseline losses": losses,
        "Fisher information": images * DRAWS * found[FISHER].seconds,
        "K-FAC": images * DRAWS * found[KFAC].seconds,
        "EK-FAC": images * DRAWS * found[EKFAC].seconds,
        "a query: gradient and step": GRADIENT * found[QUERY].seconds + found[STEP].seconds,
        "a query: all losses again": losses,
    }
    return {what: each / 3600 for what, each in seconds.items()}


def _words(
    options: argparse.Namespace,
    found: Mapping[str, Mapping[str, Measured]],
    hours: Mapping[str, Mapping[str, float]],
) -> str:
    """The report: what was measured, then what was reckoned."""
    rows = [
        (f"{name}: {each.part}", f"{each.seconds:.4f} s", str(each.at_once), f"{each.peak / 2**30:.1f} GiB")
        for name, own in found.items()
        for each in own.values()
    ]
    told = {"dtype": options.dtype, "device": machine(options.device)["device"], "held_out": HELD_OUT}
    text = WORDS.format(**told, seconds=options.seconds)
    text += table(("measured", "of one", "at once", "peak memory"), rows)
    of = {"flips": MSCOCO.flips, "captions": MSCOCO.captions, "timesteps": MSCOCO.timesteps}
    text += RECKONED.format(**of, images=options.images, gradient=GRADIENT, fisher=DRAWS)
    names = list(hours)
    whats = list(hours[names[0]])
    return text + table(
        ("reckoned", *names), [(what, *(f"{hours[n][what]:,.1f}" for n in names)) for what in whats]
    )


def main() -> None:
    """This benchmark alone."""
    parser = argparse.ArgumentParser(description=GpuHours.description)
    parser.add_argument("--device", default="cpu", metavar="cpu|cuda")
    GpuHours().add_arguments(parser)
    print(GpuHours().run(parser.parse_args()).markdown)


if __name__ == "__main__":
    main()
