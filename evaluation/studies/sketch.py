"""What does the sketch cost in ranking quality, and what does the curvature bring?

Exact first-order scores, from whole gradients that are never stored, are compared with those of
sketches of several sizes. The ground truth of the world says which ranking finds the boxed object.
"""

from __future__ import annotations

import argparse
from collections.abc import Generator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from attribution.gradients.curvature import Curvature, Diagonal
from attribution.gradients.per_example import GROUP, gradient_factors
from attribution.gradients.projection import Sketch
from attribution.gradients.query_context import QueryContext
from attribution.gradients.stored import damped_curvature, sketch_of
from attribution.models.base import Factors
from attribution.query import Query, Settings
from attribution.workspace.baseline import training_latents
from attribution.workspace.workspace import Workspace
from evaluation.markdown import table
from evaluation.prompts import Grammar, object_names, two_object_prompts
from evaluation.protocols.locality import LEFT, RIGHT
from evaluation.reports import Report
from evaluation.statistics import recall_at, spearman
from evaluation.studies import Kept

SIZES = (128, 256, 512, 1024, 2048)
CHUNK = 64
TOP = 20
DAMPING = 0.1
WORDS = """\
{queries} boxed queries (both boxes of {pictures} generated pictures of two objects), all {images:,} \
training images. *Agreement* is with the exact scores of the same curvature, whole gradients and no \
sketch. *Precision* is the share of the first {top} that shows the boxed object; {base:.3f} of all \
do. A vector takes two bytes a dimension.

"""


class SketchStudy:
    name = "sketch"
    description = "first-order scores by curvature and size of the sketch, against exact gradients"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--pictures", type=int, default=10, metavar="N", help="of two objects")

    def run(
        self, workspace: Workspace, options: Mapping[str, Any], kept: Kept
    ) -> Generator[str, None, Report]:
        prompts = two_object_prompts(
            Grammar.of(workspace.training_set.examples), options["pictures"], options["seed"]
        )
        pictures = kept.pictures(workspace, options["pictures"], options["seed"])
        queries = [Query(p.image, p.caption, box) for p in pictures for box in (LEFT, RIGHT)]
        wanted = [name for prompt in prompts for name in (prompt.left, prompt.right)]
        gradients = []
        for number, query in enumerate(queries):
            context = QueryContext(workspace, query, Settings(seed=options["seed"]))
            gradients.append(context.gradient().mean)
            yield f"gradient {number + 1} of {len(queries)}"
        curvatures = _curvatures(workspace)
        sides = {name: _sides(workspace, c, gradients) for name, c in curvatures.items()}
        starts = range(0, len(workspace.training_set), CHUNK)
        parts = []
        for start in starts:
            made = partial(_chunk, workspace, start, curvatures, sides)
            parts.append(kept.array(f"chunk-{start:06d}", made))
            yield f"{start:,} of {len(workspace.training_set):,} images"
        scores = np.concatenate(parts, axis=2)  # curvature, exact and sizes, images, queries
        return _report(workspace, scores, list(curvatures), wanted)


STUDIES = (SketchStudy(),)


def _curvatures(workspace: Workspace) -> dict[str, Curvature]:
    ones = {name: torch.ones_like(w) for name, w in workspace.model.weights.items()}
    return {
        "EK-FAC": damped_curvature(workspace, "ekfac", DAMPING),
        "diagonal": damped_curvature(workspace, "fisher", DAMPING),
        "none": Diagonal(ones, 0.0),
    }


def _sketches(workspace: Workspace) -> list[Sketch]:
    return [sketch_of(workspace.model, size, 0) for size in SIZES]


def _sides(
    workspace: Workspace, curvature: Curvature, gradients: list[Mapping[str, Tensor]]
) -> list[dict[str, Tensor] | Tensor]:
    """The queries' side of every inner product: whitened in full, then sketched in each size."""
    names = list(gradients[0])
    whitened = curvature.whitened({n: torch.stack([g[n] for g in gradients]) for n in names})
    return [whitened, *(sketch(whitened) for sketch in _sketches(workspace))]


def _chunk(
    workspace: Workspace,
    start: int,
    curvatures: Mapping[str, Curvature],
    sides: Mapping[str, list[Any]],
) -> np.ndarray:
    """Scores (curvature, exact and sizes, images, queries) of some training images, up to their unit."""
    rows = range(start, min(start + CHUNK, len(workspace.training_set)))
    training_set, model = workspace.training_set, workspace.model
    captions = model.encode_captions(training_set.captions[rows.start : rows.stop])
    factors = gradient_factors(
        model,
        training_latents(workspace, rows),
        captions,
        training_set.ids[rows.start : rows.stop],
        workspace.probe,
        256,
    )
    sketches = _sketches(workspace)
    out = []
    for name, curvature in curvatures.items():
        groups = []
        for first in range(0, len(rows), GROUP):
            part = slice(first, first + GROUP)
            full = {n: Factors(f.outputs[part], f.inputs[part]).per_draw() for n, f in factors.items()}
            whitened = curvature.whitened(full)
            exact = sum(whitened[n].flatten(1) @ sides[name][0][n].flatten(1).T for n in whitened)
            assert isinstance(exact, Tensor)
            pairs = zip(sketches, sides[name][1:], strict=True)
            sketched = [sketch(whitened).half().float() @ side.T for sketch, side in pairs]
            groups.append(torch.stack([exact, *sketched]))
        out.append(torch.cat(groups, dim=1))
    return torch.stack(out).numpy()


def _report(workspace: Workspace, scores: np.ndarray, names: list[str], wanted: list[str]) -> Report:
    examples = workspace.training_set.examples
    shows = np.array([[name in object_names(example) for example in examples] for name in wanted])
    rows, figures = [], []
    for c, curvature in enumerate(names):
        exact = scores[c, 0]
        for k, size in enumerate(("exact", *SIZES)):
            found = scores[c, k]
            rho = np.mean([spearman(found[:, q], exact[:, q]) for q in range(found.shape[1])])
            top = np.argsort(-found, axis=0)[:TOP].T.tolist()
            best = np.argsort(-exact, axis=0)[:TOP].T.tolist()
            recall = np.mean([recall_at(TOP, a, b) for a, b in zip(top, best, strict=True)])
            precision = np.mean([shows[q, t].mean() for q, t in enumerate(top)])
            named = size if isinstance(size, str) else f"{size:,}"
            rows.append((curvature, named, f"{rho:.3f}", f"{recall:.2f}", f"{precision:.3f}"))
            figures.append(
                {
                    "curvature": curvature,
                    "size": size,
                    "spearman": float(rho),
                    "recall": float(recall),
                    "precision": float(precision),
                }
            )
    text = WORDS.format(
        queries=len(wanted),
        pictures=len(wanted) // 2,
        images=len(examples),
        top=TOP,
        base=shows.mean(),
    )
    header = ("curvature", "dimensions", "Spearman to exact", f"recall@{TOP} of exact", f"precision@{TOP}")
    return Report({"rows": figures, "base_rate": float(shows.mean())}, text + table(header, rows))
