"""Control queries that are unlearned, and how far each moves the predictions for every training image.

Under them the divergence of every training image has its null (see `attribution.analysis.divergence_null`).
A control is asked exactly as a person's picture is: generated, unlearned, measured at the same timesteps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from attribution.analysis.control_queries import FEW, SEED, control_query
from attribution.analysis.divergence_null import CONTROL_DIVERGENCES
from attribution.gradients.query_context import QueryContext
from attribution.gradients.stored import EKFAC, KFAC, curvature_checksum
from attribution.methods.divergence import Divergence, DivergenceOptions
from attribution.models.base import Weights
from attribution.query import Generation, Query, Settings
from attribution.results import returned
from attribution.unlearning.movement import changes_under, spread
from attribution.workspace.baseline import LATENTS
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs.base import Kind, PerExample, concatenated, option
from precompute.work import Work

PART = 256  # training images measured at a time
TOGETHER = 4  # controls of a chunk: for all of them the loaded model predicts but once


@dataclass(frozen=True)
class ControlDivergences(PerExample):
    """Each training image is measured at one noise: many controls are worth more than many draws.

    Not made by `all`: it takes more than twice what the losses take, and adds to an answer what stands out.
    """

    kind: Kind = CONTROL_DIVERGENCES
    description: str = "unlearn control queries, by which divergences are judged"
    unit: str = "controls"
    reads: tuple[Kind, ...] = (LATENTS, KFAC, EKFAC)
    most_rows: int | None = TOGETHER
    on_demand: bool = True
    controls: int = option(FEW, "how many control queries are unlearned")

    def count(self, workspace: Workspace) -> int:
        return self.controls

    def settings(self, workspace: Workspace) -> Mapping[str, Any]:
        asked = {name: value for name, value in asdict(DivergenceOptions()).items() if value is not None}
        checksum = curvature_checksum(workspace, EKFAC.name)
        return {"controls": self.controls, "seed": SEED, **asked, "curvature_checksum": checksum}

    def work(self, workspace: Workspace) -> Work:
        options, picture = DivergenceOptions(), Generation("any")
        images = len(workspace.training_set)
        passes = images * options.timesteps * (1 + 1 / TOGETHER) + 2 * picture.steps
        return Work(2, passes, options.draws, stored=4 * images * self.controls)

    def chunk(self, workspace: Workspace, rows: range, batch_size: int) -> Chunk:
        asked = [(SEED + number, *control_query(workspace, SEED + number)) for number in rows]
        weights = [unlearned(workspace, query, seed, batch_size) for seed, _, query in asked]
        probe = spread(workspace.probe, DivergenceOptions().timesteps)
        every, parts = np.arange(len(workspace.training_set)), []
        for start in range(0, len(every), PART):
            *_, (_, changes) = changes_under(
                workspace, weights, probe, every[start : start + PART], range(1), batch_size
            )
            parts.append(changes.mean(axis=(2, 3)))
        return {
            "divergences": np.concatenate(parts, axis=1).astype(np.float32),
            "captions": np.array([row for _, row, _ in asked], np.int64),
        }

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        for name, array in concatenated(list(chunks)).items():
            np.save(folder / f"{name}.npy", array)


def unlearned(workspace: Workspace, query: Query, seed: int, batch_size: int) -> Weights:
    """The weights that have forgotten a control, as the method makes them forget a picture."""
    context = QueryContext(workspace, query, Settings(seed=seed, batch_size=batch_size))
    return returned(Divergence().unlearn(context)).weights


JOBS = (ControlDivergences(),)
