"""How near does what is looked up come to what the default finds by measuring every training image?

The distilled ranker was taught by control queries, measured at few noises. Here it is held against whole
exhaustive answers about pictures that taught it nothing, beside whatever else answers at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from attribution.methods.base import DEFAULT
from attribution.query import Settings
from attribution.workspace.workspace import Workspace
from evaluation.markdown import table
from evaluation.reports import Report
from evaluation.statistics import average_precision, mean_interval, recall_at, spearman
from evaluation.studies import Kept

FIRST = 100  # of an exhaustive ranking: what is to be found
METHODS = ("distilled", "clip", "dino", "clip-text", "bm25", "d-trak", "first-order", "random")
CEILING, REFINED = "measured again", "refined"
MEASURES = ("recall", "map", "spearman")
WORDS = """\
{queries} generated pictures of two objects, whole, other than those that taught the network. What is to \
be found are the first {first} of all {images:,} training images by `{default}`, every one measured \
(exhaustive, seed {seed}). *{ceiling}*: the same with another seed of what unlearns the picture, at the \
same noise of what is measured. mAP counts how early they come, \
Spearman is over all images, of what ranks them all. Medians of milliseconds. In brackets: 95% \
bootstrap intervals over pictures.

"""


class DistilledStudy:
    name = "distilled"
    description = "how near what is looked up comes to exhaustive answers of the default"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--queries", type=int, default=12, metavar="N", help="generated pictures")
        parser.add_argument("--methods", nargs="+", default=METHODS, metavar="METHOD")

    def run(
        self, workspace: Workspace, options: Mapping[str, Any], kept: Kept
    ) -> Generator[str, None, Report]:
        seed, queries = options["seed"], kept.pictures(workspace, options["queries"], options["seed"])
        exhaustive = Settings(seed=seed, effort="exhaustive")
        asked = {
            "reference": (DEFAULT, exhaustive),
            CEILING: (DEFAULT, replace(exhaustive, seed=seed + 1)),
            REFINED: (DEFAULT, Settings(seed=seed)),
            **{name: (name, Settings(seed=seed, effort="instant")) for name in options["methods"]},
        }
        answers: dict[str, list[ndarray]] = {name: [] for name in asked}
        for number, query in enumerate(queries):
            for name, (method, settings) in asked.items():
                own = f"{name.replace(' ', '-')}-{number:03d}"
                answers[name].append((yield from kept.answer(own, workspace, query, method, settings)))
        return _report(answers, options)


STUDIES = (DistilledStudy(),)


def compared(
    found: Float64[ndarray, " images"], reference: Float64[ndarray, " images"], first: int
) -> tuple[float, float, float]:
    """Recall of the reference's first images among as many, their mean average precision, Spearman.

    Images that were not measured come last.
    """
    scores, of_all = np.nan_to_num(found, nan=-np.inf), not np.isnan(found).any()
    ranked, wanted = np.argsort(-scores, kind="stable"), np.argsort(-reference, kind="stable")
    places = np.flatnonzero(np.isin(ranked, wanted[:first])) + 1
    recall = recall_at(first, ranked.tolist(), wanted.tolist())
    return recall, average_precision(places.tolist()), spearman(found, reference) if of_all else np.nan


def _report(
    answers: Mapping[str, list[Float64[ndarray, " 1+images"]]], options: Mapping[str, Any]
) -> Report:
    references = answers["reference"]
    rows, figures = [], dict[str, Any]()
    for name in answers.keys() - {"reference"}:
        found = np.array(
            [
                compared(own[1:], whole[1:], FIRST)
                for own, whole in zip(answers[name], references, strict=True)
            ]
        )
        seconds = float(np.median([own[0] for own in answers[name]]))
        told = {each: own.tolist() for each, own in zip(MEASURES, found.T, strict=True) if _known(own)}
        figures[name] = told | {"seconds": seconds}
        cells = (_with_interval(column) for column in found.T)
        rows.append((name, *cells, f"{1000 * seconds:,.0f}"))
    rows.sort(key=lambda row: row[1], reverse=True)
    named = [(f"`{row[0]}`" if row[0] in options["methods"] else row[0], *row[1:]) for row in rows]
    text = WORDS.format(
        queries=len(references), first=FIRST, images=len(references[0]) - 1, default=DEFAULT,
        seed=options["seed"], ceiling=CEILING,
    )  # fmt: skip
    header = ("", f"recall@{FIRST}", "mAP", "Spearman", "ms")
    return Report({"methods": figures}, text + table(header, named))


def _with_interval(values: Float64[ndarray, " pictures"]) -> str:
    if not _known(values):
        return ""
    low, high = mean_interval(values)
    return f"{values.mean():.3f} [{low:.3f}, {high:.3f}]"


def _known(values: Float64[ndarray, " pictures"]) -> bool:
    return not np.isnan(values).any()
