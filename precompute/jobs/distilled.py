"""The small network that ranks as unlearning does (see `attribution.analysis.ranker`).

Its lessons are the control queries of `control-divergences`: their pictures are made again, and told as a
person's picture is; how far each moves the training images, as a share of their own losses, is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int
from numpy import ndarray
from safetensors.torch import save

from attribution.analysis.control_queries import SEED, control_query
from attribution.analysis.divergence_null import CONTROL_DIVERGENCES, UnlearnedWith
from attribution.analysis.ranker import (
    DISTILLED,
    FEATURES,
    FILE,
    Lessons,
    image_features,
    likenesses,
    standardised,
    taught,
)
from attribution.gradients.query_context import QueryContext
from attribution.methods.distilled import query_features, word_scores
from attribution.query import Generation, Settings
from attribution.rng import generator
from attribution.workspace.baseline import LOSSES, mean_losses
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs.base import Kind, PerExample
from precompute.work import Work

MOST_TAUGHT = 20_000  # training images: of more, so many are drawn by chance


@dataclass(frozen=True)
class DistilledRanker(PerExample):
    """Not made by `all`, since what teaches it is not."""

    kind: Kind = DISTILLED
    description: str = "teach a small network to rank as unlearning does, at once"
    unit: str = "controls"
    reads: tuple[Kind, ...] = (CONTROL_DIVERGENCES, LOSSES, *FEATURES.values())
    on_demand: bool = True

    def possible(self, workspace: Workspace) -> bool:
        return all(key in workspace.fingerprints for key in DISTILLED.bound_to)

    def count(self, workspace: Workspace) -> int:
        if not workspace.has(CONTROL_DIVERGENCES):
            return 1  # it is made before
        return workspace.artifact(CONTROL_DIVERGENCES).settings(UnlearnedWith).controls

    def settings(self, workspace: Workspace) -> Mapping[str, Any]:
        return {"controls": workspace.artifact(CONTROL_DIVERGENCES).checksum}

    def work(self, workspace: Workspace) -> Work:
        return Work(passes=2 * Generation("any").steps, stored=2**20)

    def chunk(self, workspace: Workspace, rows: range, batch_size: int) -> Chunk:
        """The controls: what they are told by, how far they move images; with the first, the images too."""
        images = taught_rows(len(workspace.training_set))
        divergences = workspace.artifact(CONTROL_DIVERGENCES).array("divergences.npy")
        moved = np.asarray(divergences[rows.start : rows.stop])[:, images] / mean_losses(workspace, images)
        told = [_told(workspace, SEED + number, batch_size) for number in rows]
        queries, words = (np.stack(each) for each in zip(*told, strict=True))
        sizes = [workspace.load(kind).neighbours.dimensions for kind in FEATURES.values()]
        first = {"images": image_features(workspace, images), "sizes": np.array(sizes)}
        own = {"queries": queries, "words": words[:, images], "worth": standardised(moved)}
        return own | (first if rows.start == 0 else {})

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> Mapping[str, Any]:
        first, *others = chunks
        every = [first, *others]
        names = ("queries", "words", "worth")
        queries, words, worth = (np.concatenate([each[name] for each in every]) for name in names)
        images, sizes = first["images"], [*map(int, first["sizes"])]
        ranker, measured = taught(
            Lessons(queries, images, likenesses(queries, images, words, sizes), worth)
        )
        (folder / FILE).write_bytes(save(ranker.state_dict()))
        return measured


def taught_rows(images: int) -> Int[ndarray, " some"]:
    """The training images that it is taught by, ascending."""
    if images <= MOST_TAUGHT:
        return np.arange(images)
    drawn: Int[ndarray, " some"] = generator(0, "distilled", images).choice(images, MOST_TAUGHT, False)
    return np.sort(drawn)


def _told(
    workspace: Workspace, seed: int, batch_size: int
) -> tuple[Float32[ndarray, " features"], Float32[ndarray, " images"]]:
    _, query = control_query(workspace, seed)
    context = QueryContext(workspace, query, Settings(seed=seed, batch_size=batch_size))
    return query_features(context), word_scores(context)


JOBS = (DistilledRanker(),)
