"""How many draws does the gradient of a picture need?

First-order scores of all training images from n draws are compared with those from a reference of
4,096 draws with other seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Generator, Mapping
from functools import partial
from typing import Any

import numpy as np

from attribution.gradients.draw_gradient import gradient_over_draws
from attribution.gradients.query_context import QueryContext
from attribution.gradients.stored import GRADIENTS
from attribution.models.draws import stratified_draws
from attribution.query import Query, Settings
from attribution.workspace.workspace import Workspace
from evaluation.markdown import table
from evaluation.reports import Report
from evaluation.statistics import mean_interval, recall_at, spearman
from evaluation.studies import Kept

COUNTS = (16, 32, 64, 128, 256, 512, 1024)
REFERENCE = 4096
TOP = 20
BATCH = 128
WORDS = """\
{queries} generated pictures of two objects. First-order scores of all {images:,} training images \
from n stratified, antithetic draws, compared with those from {reference:,} draws of another seed. \
In brackets: 95% bootstrap intervals over pictures.

"""


class Draws:
    name = "draws"
    description = "agreement of first-order scores with a reference, by the number of draws"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--queries", type=int, default=8, metavar="N", help="generated pictures")

    def run(
        self, workspace: Workspace, options: Mapping[str, Any], kept: Kept
    ) -> Generator[str, None, Report]:
        seed = options["seed"]
        queries = kept.pictures(workspace, options["queries"], seed)
        agreement = np.empty((len(queries), len(COUNTS), 2))
        for number, query in enumerate(queries):
            few = kept.array(f"few-{number}", partial(_scores, workspace, query, seed, COUNTS))
            reference = partial(_scores, workspace, query, seed + 1_000, (REFERENCE,))
            (whole,) = kept.array(f"reference-{number}", reference)
            best = np.argsort(-whole).tolist()
            for k, scores in enumerate(few):
                recall = recall_at(TOP, np.argsort(-scores).tolist(), best)
                agreement[number, k] = spearman(scores, whole), recall
            yield f"{number + 1} of {len(queries)} pictures"
        rows, figures = [], []
        for k, count in enumerate(COUNTS):
            rho, recalls = agreement[:, k, 0], agreement[:, k, 1]
            low, high = mean_interval(rho) if len(rho) > 1 else (rho[0], rho[0])
            rows.append(
                (f"{count:,}", f"{rho.mean():.3f} [{low:.3f}, {high:.3f}]", f"{recalls.mean():.2f}")
            )
            figures.append({"draws": count, "spearman": rho.tolist(), f"recall_at_{TOP}": recalls.tolist()})
        text = WORDS.format(queries=len(queries), images=len(workspace.training_set), reference=REFERENCE)
        header = ("draws", "Spearman over all images", f"recall@{TOP}")
        return Report({"curve": figures}, text + table(header, rows))


STUDIES = (Draws(),)


def _scores(workspace: Workspace, query: Query, seed: int, counts: tuple[int, ...]) -> np.ndarray:
    """First-order scores of all images after each of `counts` draws; the smaller are not the first
    part of the larger, each is stratified by itself."""
    model, first_order = workspace.model, workspace.load(GRADIENTS)
    context = QueryContext(workspace, query, Settings())
    latent, caption, mask = context.latent, context.conditioning, context.mask
    rows = np.arange(len(workspace.training_set))
    found = []
    for count in counts:
        draws = stratified_draws(model, count, seed, f"study-{count}")
        *_, gradient = gradient_over_draws(model, draws.of(latent, caption), mask, BATCH)
        found.append(first_order.predict(gradient.mean, gradient.loss, 0.1, rows).values)
    return np.stack(found)
