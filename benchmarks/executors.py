"""What several workers make of a job: the same bytes, and in which share of the seconds.

One process makes an artifact before and after them, on the same machine. Seconds of a clock say what there
is of cores, and who else uses them; those of the processor say what handing chunks around costs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from attribution.errors import SettingsError
from attribution.workspace.executors.base import Asked, executor_kinds, opened_executor
from attribution.workspace.executors.local import LocalKind
from attribution.workspace.root_manifest import MANIFEST
from attribution.workspace.workspace import Workspace
from benchmarks.reports import Report, machine, small_print
from benchmarks.rows import packed
from cli.parser import positive_count
from evaluation.markdown import table
from precompute.binding import Sources, open_or_bind
from precompute.jobs.base import Job, all_jobs
from precompute.running import CHUNK, Execution, run

LOCAL = LocalKind.name
WORDS = """\
The artifact `{job}` of {images:,} images of {side} pixels, {chunk} a chunk, by the executor `{executor}`, \
between two times one process alone. Every file has the same sha256 whoever made it. *The first chunk* is \
there once workers are and have opened the model; the rate is that of all others. Seconds of the processor \
are of all processes together.

"""


@dataclass(frozen=True)
class Taken:
    """What one time of making an artifact took.

    Attributes:
        workers: None where this process makes it alone.
        first: seconds until the first chunk was kept.
        seconds: by the clock, until it was published.
        own, others: seconds of the processor, of this process and of all that it has begun.
        manifest: of the artifact, with the sha256 of every file.
    """

    workers: int | None
    first: float
    seconds: float
    own: float
    others: float
    manifest: bytes

    @property
    def processor(self) -> float:
        """Seconds of the processor, of all processes."""
        return self.own + self.others


class Executors:
    name = "executors"
    description = "seconds of a precompute job by several workers, and whether its bytes are the same"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        jobs = sorted({job.kind.name for job in all_jobs()})
        others = sorted(set(executor_kinds()) - {LOCAL})
        parser.add_argument("--images", type=positive_count, default=20_000, metavar="N", help="(20,000)")
        parser.add_argument("--executor", choices=others, default="processes", help="(processes)")
        parser.add_argument("--workers", type=positive_count, nargs="+", default=[2, 4], metavar="N")
        parser.add_argument("--chunk", type=positive_count, default=CHUNK, help="images a chunk")
        parser.add_argument("--job", choices=jobs, default="latents", help="whose artifact is made")
        parser.add_argument("--cache", type=Path, default=Path("build/executors"), metavar="DIR")

    def run(self, options: argparse.Namespace) -> Report:
        if options.images <= options.chunk:
            raise SettingsError("one chunk cannot be shared: give more --images, or a smaller --chunk")
        workspace = bound(options.cache / str(options.images), options)
        job = next(each for each in all_jobs() if each.kind.name == options.job)
        times = [None, *options.workers, None]
        taken = [made(workspace, job, options, workers) for workers in times]
        differing = [each.workers for each in taken if each.manifest != taken[0].manifest]
        assert not differing, f"{differing} workers made other bytes than one process"
        return report(taken, options, workspace.resolution, machine(options.device))


BENCHMARKS = (Executors(),)


def bound(folder: Path, options: argparse.Namespace) -> Workspace:
    """A workspace of drawn pictures in shards, with the model of the workspace that was named."""
    shards = folder / "set"
    if not shards.exists():
        packed(shards, options.images, captioned=True)
    source = Workspace.open(options.workspace, options.device)
    without = {"clip": "none", "dino": "none"}
    sources = Sources(source.source(source.config.model), str(shards), without)
    return open_or_bind(folder / "workspace", sources, options.device)


def made(workspace: Workspace, job: Job, options: argparse.Namespace, workers: int | None) -> Taken:
    """Make the artifact anew: by this process, or by so many workers."""
    name = LOCAL if workers is None else options.executor
    began, own_before, first = time.perf_counter(), time.process_time(), 0.0
    others_before = seconds_of_children()  # the fork server outlives those who used it
    with opened_executor(name, Asked(workers=workers), options.device) as executor:
        for step in run(workspace, job, Execution(chunk=options.chunk), remake=True, executor=executor):
            if step.fresh and not first:
                first = time.perf_counter() - began
        seconds, others = time.perf_counter() - began, seconds_of_children() - others_before
    manifest = (workspace.folder / job.kind.folder / MANIFEST).read_bytes()
    taken = Taken(workers, first, seconds, time.process_time() - own_before, others, manifest)
    print(f"{workers or 'no'} workers: {seconds:.1f} s, processor {taken.processor:.1f} s", flush=True)
    return taken


def seconds_of_children() -> float:
    """Seconds of the processor, of every process that this one has begun and that is still there."""
    found = 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        found += times.user + times.system
    return found


def report(
    taken: Sequence[Taken], options: argparse.Namespace, side: int, measured_on: Mapping[str, Any]
) -> Report:
    """The report: every time a row; efficiency is against the mean of the two times of one process."""
    alone = [each for each in taken if each.workers is None]
    processor = statistics.mean(each.processor for each in alone)
    rate = statistics.mean(_rate(each, options) for each in alone)
    cores, rows, figures = os.cpu_count() or 1, [], []
    for each in taken:
        at_once = min(each.workers or 1, cores)
        shares = {
            "faster": _rate(each, options) / rate,
            "by_clock": _rate(each, options) / rate / at_once,
            "by_processor": processor / each.processor,
        }
        figures.append({name: value for name, value in asdict(each).items() if name != "manifest"} | shares)
        rows.append(
            (
                "one process" if each.workers is None else f"{each.workers} workers",
                f"{each.first:.1f} s",
                f"{each.seconds:.1f} s",
                f"{_rate(each, options):.0f}",
                f"{shares['faster']:.2f}",
                f"{shares['by_clock']:.0%}",
                f"{each.processor:.1f} s ({each.own:.1f} in the process that keeps chunks)",
                f"{shares['by_processor']:.0%}",
            )
        )
    header = (
        "", "the first chunk", "by the clock", "images a second", "times as many",
        f"of what {cores} cores allow", "of the processor", "of that, one process's",
    )  # fmt: skip
    kept = {name: getattr(options, name) for name in ("job", "images", "chunk", "executor")}
    words = WORDS.format(side=side, **kept) + table(header, rows) + "\n"
    return Report(
        {**kept, "times": figures, "machine": dict(measured_on)}, words + small_print(measured_on)
    )


def _rate(taken: Taken, options: argparse.Namespace) -> float:
    """Images a second once the first chunk is there."""
    return float((options.images - options.chunk) / (taken.seconds - taken.first))
