"""Control queries: pictures of captions drawn from the training set, and their sketched gradients.

Under them every training image has its null (see `attribution.analysis.significance`). A control is asked
exactly as a person's picture is: generated, encoded, differentiated over as many draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from attribution.analysis.control_queries import FEW, MANY, SEED, control, controls_for
from attribution.analysis.significance import CONTROLS
from attribution.gradients.query_context import GRADIENT_DRAWS, TARGET_RISE
from attribution.gradients.stored import GRADIENTS, gradient_space
from attribution.query import Generation
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs.base import Kind, PerExample, concatenated, option
from precompute.jobs.gradients import DIMENSIONS
from precompute.work import Work


@dataclass(frozen=True)
class Controls(PerExample):
    kind: Kind = CONTROLS
    description: str = "ask control queries, by which scores are judged"
    unit: str = "controls"
    reads: tuple[Kind, ...] = (GRADIENTS,)
    controls: int | None = option(
        None, "how many control queries are asked", f"one for each image, but from {FEW} to {MANY}"
    )

    def count(self, workspace: Workspace) -> int:
        return self.controls or controls_for(len(workspace.training_set))

    def settings(self, workspace: Workspace) -> Mapping[str, Any]:
        return {
            "controls": self.count(workspace),
            "seed": SEED,
            "unlearning_draws": GRADIENT_DRAWS,
            "target_rise": TARGET_RISE,
            "space": gradient_space(workspace),
        }

    def work(self, workspace: Workspace) -> Work:
        picture = Generation("any")  # guided: two passes a step; then decoded, and encoded as a query is
        stored = (2 * DIMENSIONS + 16) * self.count(workspace)
        return Work(2, 2 * picture.steps, GRADIENT_DRAWS, stored=stored)

    def chunk(self, workspace: Workspace, rows: range, batch_size: int) -> Chunk:
        asked = [control(workspace, SEED + number, batch_size) for number in rows]
        return {
            "vectors": np.stack([vector for vector, _, _ in asked]).astype(np.float16),
            "units": np.array([unit for _, unit, _ in asked]),
            "captions": np.array([row for _, _, row in asked], np.int64),
        }

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        (folder / "controls.safetensors").write_bytes(save(concatenated(list(chunks))))


JOBS = (Controls(),)
