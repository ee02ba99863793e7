"""What a question costs against the number of training images.

One workspace of 8,000 scenes (a longer set begins with the shorter one) with all that questions read;
smaller ones are cut from it (`benchmarks.cutting`). Curvature and control queries are the embedded
world's. The same training images are asked about at every size, in interleaved order, each time under
a seed of its own, so that nothing is remembered. Instant and refined are timed whole; exhaustive on two
parts of its scan, from which the rest is extrapolated.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from attribution.analysis.significance import CONTROLS
from attribution.data.files import cache_root
from attribution.engine import attribute
from attribution.errors import SettingsError
from attribution.gradients.features import D_TRAK, DAS, TRAK
from attribution.query import Query, Settings
from attribution.results import Ranking
from attribution.unlearning.parts import PART
from attribution.workspace.baseline import LOSSES
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Writer
from benchmarks.chart import Line, log_log
from benchmarks.cutting import CURVATURE, adopt, cut
from benchmarks.reports import Report, machine, small_print
from demo.scenes import write_scenes
from evaluation.markdown import table
from precompute.bars import show
from precompute.binding import Sources, open_or_bind
from precompute.jobs.base import job_of, jobs_of
from precompute.running import Execution, plan, rows_of_chunk, run

SIZES = (500, 1_000, 2_000, 4_000, 8_000)
ROUNDS = 3
GLYPHS = Path(__file__).parent.parent / "assets" / "demo" / "glyphs"
MEASURED = ("instant", "search", "refined")  # whole
ADOPTED = (*CURVATURE, CONTROLS)
NOT_ASKED = (TRAK, D_TRAK, DAS)
LOOK_UPS = ("clip", "clip-text", "dino", "pixel", "first-order")
WORDS = """\
Scenes are drawn without end, so the embedded model can be asked about any number of them. Seconds of \
one question, medians of {rounds} pictures, all that happens after the first question of a process \
included. *Instant* is every neighbour list and the whole first-order ranking of all images, of which \
*search* is what comes after the gradient; *refined* is unlearning from nothing, gradient included; \
*exhaustive* measures every image and is **timed on slices**: {part} images after the first {part}, the \
rest reckoned from those.

![Seconds of a question against the number of training images](performance/scaling.svg)

"""


@dataclass
class Seconds:
    """What each question of one size took, by effort."""

    instant: list[float] = field(default_factory=list)
    search: list[float] = field(default_factory=list)
    refined: list[float] = field(default_factory=list)
    exhaustive: list[float] = field(default_factory=list)

    def medians(self) -> dict[str, float]:
        return {name: statistics.median(values) for name, values in vars(self).items()}


class Scaling:
    name = "scaling"
    description = "seconds of a question against the number of training images, with a plot"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), metavar="N")
        parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="K", help="questions a size")
        parser.add_argument("--prepare", action="store_true", help="make the workspaces, time nothing")
        parser.add_argument(
            "--cache",
            type=Path,
            default=cache_root() / "scaling",
            metavar="DIR",
            help="where they are kept",
        )

    def run(self, options: argparse.Namespace) -> Report:
        sizes = sorted(set(options.sizes))
        whole = prepared(options.workspace, options.cache, max(sizes), options.device)
        workspaces = {n: cut(whole, n, options.cache / f"first-{n}") for n in sizes}
        if options.prepare:
            return Report({}, f"{options.cache} has workspaces of {', '.join(f'{n:,}' for n in sizes)}.\n")
        seconds = timed(workspaces, options.rounds)
        return report(seconds, options.rounds, machine(options.device))


BENCHMARKS = (Scaling(),)


def prepared(embedded: Path, cache: Path, count: int, device: str) -> Workspace:
    """The workspace of `count` scenes; whatever is missing is made, an interrupted job is gone on with."""
    scenes = cache / "scenes"
    if not (scenes / "metadata.jsonl").exists():
        for _ in write_scenes(scenes, GLYPHS, count):
            pass
    source = Workspace.open(embedded, device)
    config = source.config
    encoders = {name: source.source(stored) for name, stored in config.encoders.items()}
    sources = Sources(source.source(config.model), str(scenes), encoders)
    workspace = open_or_bind(cache / "workspace", sources, device)
    if len(workspace.training_set) < count:
        raise SettingsError(
            f"{cache} has {len(workspace.training_set):,} scenes: delete it, or give fewer --sizes"
        )
    for name, folder in encoders.items():
        if workspace.fingerprints.get(name) != source.fingerprints[name]:
            workspace.configure_encoder(name, folder)  # it has been trained or read differently since
    for kind in ADOPTED:
        adopt(workspace, kind, source.artifact(kind), len(workspace.training_set))
    how = Execution()
    take_known_losses(workspace, source, how)
    for job in jobs_of("all"):
        if job.kind not in (*ADOPTED, *NOT_ASKED) and job.possible(workspace):
            show(run(workspace, job, how))
    return workspace


def take_known_losses(workspace: Workspace, source: Workspace, how: Execution) -> None:
    """The losses that another workspace has measured of the very same first images, in whole chunks."""
    known = len(source.training_set)
    same_images = workspace.training_set.examples[:known] == source.training_set.examples
    same_losses = all(workspace.fingerprints[key] == source.fingerprints[key] for key in ("model", "probe"))
    if not (same_images and same_losses):
        return
    job = job_of(LOSSES)
    size = rows_of_chunk(workspace, job, how)
    with Writer(workspace.folder, plan(workspace, job, how)) as writer:
        if writer.up_to_date():
            return
        for chunk in writer.missing():
            rows = slice(chunk * size, (chunk + 1) * size)
            if rows.stop <= known:
                writer.add(chunk, {"losses": np.array(source.load(LOSSES)[rows])})


def interleaved(sizes: Sequence[int], rounds: int) -> Iterator[tuple[int, int]]:
    """(round, size), the sizes upwards and downwards in turn: a drifting machine favours none."""
    for number in range(rounds):
        for size in sizes if number % 2 else reversed(sizes):
            yield number, size


def timed(workspaces: Mapping[int, Workspace], rounds: int) -> dict[int, Seconds]:
    """Ask, and time; the first question at each size opens what is opened once and is not counted."""
    seconds = {size: Seconds() for size in workspaces}
    smallest = workspaces[min(workspaces)].training_set
    seeds = itertools.count(1)  # none twice: a gradient is remembered
    for workspace in workspaces.values():
        _time_questions(workspace, Query(smallest.image(0), smallest.captions[0]), seeds, Seconds())
    for number, size in interleaved(sorted(workspaces), rounds):
        row = (number + 1) * len(smallest) // (rounds + 1)
        query = Query(smallest.image(row), smallest.captions[row])
        _time_questions(workspaces[size], query, seeds, seconds[size])
        line = ", ".join(f"{name} {values[-1]:.2f} s" for name, values in vars(seconds[size]).items())
        print(f"round {number + 1}, {size:,} images: {line}", flush=True)
    return seconds


def _time_questions(workspace: Workspace, query: Query, seeds: Iterator[int], seconds: Seconds) -> None:
    whole, search = _instant(workspace, query, Settings(next(seeds), effort="instant"))
    seconds.instant.append(whole)
    seconds.search.append(search)
    began = time.perf_counter()
    for _ in attribute(workspace, query, ["abu"], Settings(next(seeds))):
        pass
    seconds.refined.append(time.perf_counter() - began)
    exhaustive = Settings(next(seeds), effort="exhaustive")
    seconds.exhaustive.append(_exhaustive(workspace, query, exhaustive))


def _instant(workspace: Workspace, query: Query, settings: Settings) -> tuple[float, float]:
    """Seconds of every look-up and first order, and of what is left when the gradient is known."""
    both = []
    for _ in range(2):  # the second time the gradient is remembered
        began = time.perf_counter()
        for _ in attribute(workspace, query, LOOK_UPS, settings):
            pass
        both.append(time.perf_counter() - began)
    return both[0], both[1]


def _exhaustive(workspace: Workspace, query: Query, settings: Settings) -> float:
    """Seconds of a whole scan, from its first two parts."""
    began = time.perf_counter()
    events = attribute(workspace, query, ["abu"], settings)
    rankings = (event for event in events if isinstance(event, Ranking))
    passed = []
    for _ in itertools.islice(rankings, 2):
        passed.append(time.perf_counter() - began)
    return extrapolated(passed, len(workspace.training_set) - PART)


def extrapolated(passed: Sequence[float], images_left: int) -> float:
    """Seconds to the end of a scan, from those to the end of its first and of its second part."""
    first, second = passed
    return first + (second - first) * images_left / PART


def report(seconds: Mapping[int, Seconds], rounds: int, measured_on: Mapping[str, Any]) -> Report:
    """The report: table, plot and figures."""
    medians = {size: seconds[size].medians() for size in sorted(seconds)}
    header = ("images", "instant", "of that, search", "refined", "exhaustive (slices)")
    rows = [
        (f"{size:,}", *(f"{found[name]:.2f} s" for name in MEASURED), f"{found['exhaustive']:,.0f} s")
        for size, found in medians.items()
    ]
    small, large = min(medians), max(medians)
    grown = {
        name: medians[large][name] / medians[small][name] for name in ("instant", "refined", "exhaustive")
    }
    words = ", ".join(f"{name} {ratio:.2f} times" for name, ratio in grown.items())
    last = f"\nFrom {small:,} to {large:,} images ({large / small:.0f} times as many): {words}.\n\n"
    text = WORDS.format(rounds=rounds, part=PART) + table(header, rows) + last + small_print(measured_on)
    figures = {
        "sizes": {str(size): {**vars(seconds[size]), "medians": medians[size]} for size in medians},
        "growth": grown,
        "exhaustive": f"timed on {PART} images after the first {PART}, the rest reckoned",
        "machine": dict(measured_on),
    }
    return Report(figures, text, {"scaling.svg": drawing(medians)})


def drawing(medians: Mapping[int, Mapping[str, float]]) -> str:
    """The plot: both axes by powers of ten, so that a cost that is linear has slope one."""
    lines = [
        Line(name, [(size, found[name]) for size, found in medians.items()], dashed=name == "exhaustive")
        for name in ("exhaustive", "refined", "instant")
    ]
    return log_log(lines, "training images", "seconds a question", "dashed: timed on slices of the scan")
