"""Seconds of the page's start and of every stage, and both sides of the published protocol.

Queries are training images at fixed rows, asked about with their own captions; the median over them
is reported. Page start is the time from `python app.py` to its first answered request.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from attribution.engine import attribute
from attribution.methods.base import available, methods, refusal
from attribution.query import Query, Settings
from attribution.results import Progress, Ranking
from attribution.workspace.workspace import Workspace
from benchmarks.published import Comparison, compared, first_order_seconds
from benchmarks.reports import Report, machine, small_print
from benchmarks.serving import served
from evaluation.markdown import table

STARTS = 3
START = "page start"
PROVISIONAL, WHOLE = "first order, provisional", "first order, whole"
LOOK_UPS = ("clip", "clip-text", "dino", "pixel")
STAGES = {
    "calibrating": "calibrating the step",
    "controls": "checking controls",
    "the most promising": "measuring the most promising",
    "the best again": "measuring the best again",
}
WORDS = """\
Medians of {queries} questions about training images of the {images:,}, {threads} threads, {device}.

"""
COMPARED = """
Beside a plain implementation of the published protocol (`benchmarks/published.py`: every image at every \
timestep in single precision, weights copied, keys and values recomputed, batches of 64), all sides in \
turn in one run. *Ratio* is plain to Whence, by torch and by the engine that answers here:

"""
SCALED = """
The plain query is scaled from a slice of {slice} images and from {timed} draws of the gradient. The last \
ratio is the stricter one: it grows with the number of training images, the one above less.

"""


class Table:
    name = "table"
    description = "seconds of every stage, and the published protocol beside"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--queries", type=int, default=5, metavar="N", help="default 5")

    def run(self, options: argparse.Namespace) -> Report:
        starts = [_start(options) for _ in range(STARTS)]
        workspace = Workspace.open(options.workspace, options.device)
        stages = query_stages(workspace, options.queries)
        images = len(workspace.training_set)
        rows = [k * images // options.queries + 7 for k in range(options.queries)]
        first, whole = first_order(workspace, rows)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        comparison = compared(workspace, rows)
        seconds = {START: starts, PROVISIONAL: first, WHOLE: whole} | stages
        return report(seconds, comparison, peak, images, options)


BENCHMARKS = (Table(),)


def _start(options: argparse.Namespace) -> float:
    with served(options.workspace, options.device) as server:
        return server.seconds


def first_order(workspace: Workspace, rows: Sequence[int]) -> tuple[list[float], list[float]]:
    """Seconds to the provisional and to the whole ranking, query by query."""
    training_set = workspace.training_set
    times: list[tuple[float, float]] = []
    for _ in range(2):  # the first opens what is opened once
        queries = [Query(training_set.image(row), training_set.captions[row]) for row in rows]
        times = [first_order_seconds(workspace, query) for query in queries]
    return [provisional for provisional, _ in times], [whole for _, whole in times]


def query_stages(workspace: Workspace, queries: int) -> dict[str, list[float]]:
    """Seconds of each stage of a refined query, method by method."""
    training_set = workspace.training_set
    seconds: dict[str, list[float]] = defaultdict(list)
    for number in range(queries + 1):
        row = number * len(training_set) // (queries + 1)
        spent = _stages(workspace, Query(training_set.image(row), training_set.captions[row]))
        if number:  # the first query opens models and reads artifacts
            for name, value in spent.items():
                seconds[name].append(value)
    return seconds


def _stages(workspace: Workspace, query: Query) -> dict[str, float]:
    """Seconds by "method: stage", and of each method by its name."""
    began = last = time.perf_counter()
    spent: dict[str, float] = defaultdict(float)
    stage = "before the first method"
    asked = [
        name
        for name, each in methods().items()
        if available(each, workspace) and refusal(each, query) is None
    ]
    for event in attribute(workspace, query, asked, Settings()):
        now = time.perf_counter()
        spent[stage] += now - last
        last = now
        if isinstance(event, Progress):
            stage = f"{event.method}: {event.stage.split(',')[0]}"  # rounds together
        elif isinstance(event, Ranking):
            spent[event.method] = event.seconds
            stage = f"{event.method}: shown"
        else:
            event.check_whole()
    spent["whole query, all methods"] = time.perf_counter() - began
    return spent


def summary(seconds: Mapping[str, list[float]], refined: Sequence[float]) -> list[tuple[str, str]]:
    """Rows of the first table."""
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    parts = [f"{words} {medians.get(f'abu: {stage}', 0.0):.1f}" for words, stage in STAGES.items()]
    slowest = max(medians[name] for name in LOOK_UPS if name in medians)
    return [
        ("page start, from `python app.py` to its first answered request", f"{medians[START]:.1f} s"),
        ("neighbours over all images, the slowest of CLIP, CLIP text, DINO, pixels", f"{slowest:.2f} s"),
        ("first order, provisional ranking of all images (64 draws)", f"{medians[PROVISIONAL]:.2f} s"),
        ("first order, whole (256 draws)", f"{medians[WHOLE]:.2f} s"),
        ("refined AbU, all stages, from nothing", f"{statistics.median(refined):.1f} s"),
        (f"of that: {', '.join(parts)}", ""),
    ]


def report(
    seconds: Mapping[str, list[float]],
    comparison: Comparison,
    peak: float,
    images: int,
    options: argparse.Namespace,
) -> Report:
    measured_on = machine(options.device)
    stages = summary(seconds, comparison.refined)
    stages.append(("peak memory of this run, all methods and encoders loaded", f"{peak:,.0f} MB"))
    text = WORDS.format(
        queries=options.queries, images=images, threads=measured_on["threads"], device=measured_on["device"]
    )
    text += table(("", ""), stages) + COMPARED
    heads = ("", "plain", "Whence, torch", f"Whence, {comparison.engine}", "ratio, torch", "ratio")
    text += table(heads, comparison_rows(comparison))
    text += SCALED.format(slice=comparison.images, timed=comparison.timed_draws) + small_print(measured_on)
    figures = {
        "seconds": dict(seconds),
        "peak_mb": peak,
        "published": _figures(comparison),
        "machine": measured_on,
    }
    return Report(figures, text)


def comparison_rows(found: Comparison) -> list[tuple[str, str, str, str, str, str]]:
    """Each quantity for the plain implementation, for ours by torch and by the engine, and their ratios."""
    sides = [statistics.median(each) for each in (found.torch_refined, found.refined)]
    words = [f"{seconds:.1f} s" for seconds in sides]
    draws = [f"{1e3 * each:.2f} ms" for each in (found.plain_draw, found.torch_draw, found.our_draw)]
    scans = [f"{ratio:.2f}" for ratio in (found.torch_ratio, found.exhaustive_ratio)]
    agreements = [f"{each:.5f}" for each in (found.torch_agreement, found.agreement)]
    rows = [
        ("exhaustive scan, a draw", *draws, *scans),
        ("scores on the same noise, with the plain ones (Spearman)", "", *agreements, "", ""),
    ]
    for gradient, plain in (
        ("over the paper's 50,000 draws", found.plain_gradient + found.plain_scan),
        ("for nothing", found.plain_scan),
    ):
        ratios = [f"{plain / seconds:.0f}" for seconds in sides]
        name = f"to a refined answer, the plain gradient {gradient}"
        rows.append((name, f"{plain:,.0f} s", *words, *ratios))
    return rows  # type: ignore[return-value]  # six words each


def _figures(found: Comparison) -> dict[str, Any]:
    ratios = {
        "torch_ratio": found.torch_ratio,
        "exhaustive_ratio": found.exhaustive_ratio,
        "refined_ratio": found.refined_ratio,
    }
    return asdict(found) | ratios
