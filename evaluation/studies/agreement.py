"""How near does the refined ranking come to measuring everything?

Two exhaustive runs with independent noise and unlearning seeds tell how well anything can agree with
such a run. Refined runs, under a third seed and the workspace's own noise, are reported as a fraction
of that. The exhaustive runs read the losses of their own workspaces, made by

    python -m precompute init --model ... --dataset ... --workspace A --seed 1 --clip none --dino none
    python -m precompute losses --workspace A        (and fisher; and the same for B with --seed 2)
"""

from __future__ import annotations

import argparse
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from attribution.query import Query, Settings
from attribution.workspace.workspace import Workspace
from evaluation.markdown import table
from evaluation.protocols.locality import LEFT, RIGHT
from evaluation.reports import Report
from evaluation.statistics import recall_at, spearman
from evaluation.studies import Kept

TOP = 20
BUDGETS = (1_200, 2_400, 6_000, 20_000)
BOXES = (None, LEFT, RIGHT)
WORDS = """\
{queries} queries on generated pictures of two objects, in turn whole and boxed. Exhaustive runs \
measure all {images:,} training images. *Recall* is the share of one ranking's first {top} among the \
other's first {top}; *Spearman* is over the first {top} of the exhaustive run (images that were not \
measured come last). For the exhaustive pair both are the mean of the two directions; the others are \
the mean over both exhaustive runs. Seconds are medians on this machine, {threads} threads, all \
stages included.

"""


class Agreement:
    name = "agreement"
    description = "refined and first-order rankings as a fraction of what two exhaustive runs agree on"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--queries", type=int, default=5, metavar="N")
        parser.add_argument(
            "--exhaustive", nargs=2, type=Path, required=True, metavar=("A", "B"), help="their workspaces"
        )
        parser.add_argument("--method", default="abu", help="abu (default) or abu-plus")

    def run(
        self, workspace: Workspace, options: Mapping[str, Any], kept: Kept
    ) -> Generator[str, None, Report]:
        method, seed = options["method"], options["seed"]
        pictures = kept.pictures(workspace, options["queries"], seed)
        queries = [Query(p.image, p.caption, BOXES[i % 3]) for i, p in enumerate(pictures)]
        exhaustive = [Workspace.open(folder, workspace.device) for folder in options["exhaustive"]]
        runs: dict[str, list[np.ndarray]] = {}
        for number, query in enumerate(queries):
            for budget in BUDGETS:
                settings = Settings(seed=seed, budget=budget)
                name = f"refined-{budget}-{number}"
                answer = yield from kept.answer(name, workspace, query, method, settings)
                runs.setdefault(f"refined, {budget:,} draws", []).append(answer)
            settings = Settings(seed=seed, effort="instant")
            answer = yield from kept.answer(f"first-{number}", workspace, query, "first-order", settings)
            runs.setdefault("first order", []).append(answer)
        for letter, other, own_seed in zip("ab", exhaustive, (seed + 1, seed + 2), strict=True):
            for number, query in enumerate(queries):
                settings = replace(Settings(effort="exhaustive"), seed=own_seed)
                answer = yield from kept.answer(f"all-{letter}-{number}", other, query, method, settings)
                runs.setdefault(f"exhaustive {letter}", []).append(answer)
        return _report(runs, len(workspace.training_set), options)


STUDIES = (Agreement(),)


def _report(runs: Mapping[str, list[np.ndarray]], images: int, options: Mapping[str, Any]) -> Report:
    one, other = runs["exhaustive a"], runs["exhaustive b"]
    both_ways = [(_compared(a, b), _compared(b, a)) for a, b in _pairs(one, other)]
    ceiling = np.mean(both_ways, axis=(0, 1))
    rows = [_row("two exhaustive runs", ceiling, ceiling, one + other)]
    figures: list[dict[str, Any]] = [{"run": "exhaustive", "recall": ceiling[0], "spearman": ceiling[1]}]
    for name, answers in runs.items():
        if name.startswith("exhaustive"):
            continue
        found = [_compared(a, e) for whole in (one, other) for a, e in _pairs(answers, whole)]
        mean = np.mean(found, axis=0)
        share = mean / ceiling
        rows.append(_row(name, mean, ceiling, answers))
        figures.append(
            {
                "run": name,
                "recall": mean[0],
                "spearman": mean[1],
                "recall_share": share[0],
                "spearman_share": share[1],
                "seconds": [float(answer[0]) for answer in answers],
            }
        )
    text = WORDS.format(queries=len(one), images=images, top=TOP, threads=torch.get_num_threads())
    header = ("run", f"recall@{TOP}", "Spearman", "of the agreement: recall", "Spearman", "s / query")
    return Report({"method": options["method"], "rows": figures}, text + table(header, rows))


def _pairs(one: list[np.ndarray], other: list[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    return zip(one, other, strict=True)


def _compared(found: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Recall and Spearman over the reference's first images."""
    scores = np.nan_to_num(found[1:], nan=-np.inf)
    best = np.argsort(-reference[1:], kind="stable")
    top = best[:TOP]
    ranks = np.argsort(np.argsort(-scores, kind="stable"))
    recall = recall_at(TOP, np.argsort(-scores, kind="stable").tolist(), best.tolist())
    return recall, spearman(-ranks[top].astype(float), reference[1:][top])


def _row(name: str, mean: np.ndarray, ceiling: np.ndarray, answers: list[np.ndarray]) -> tuple[str, ...]:
    share = mean / ceiling
    seconds = np.median([answer[0] for answer in answers])
    return (name, *(f"{x:.3f}" for x in mean), *(f"{x:.2f}" for x in share), f"{seconds:.1f}")
