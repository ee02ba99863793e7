"""Control queries: pictures of captions drawn from the training set, and their sketched gradients.

Under them every training image has its null (see `attribution.analysis.significance`). A control is
asked exactly as a person's picture is: generated, encoded, differentiated over as many draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from attribution.analysis.control_queries import SEED, control
from attribution.query import Settings
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs import Options


class Controls:
    artifact = "controls"
    unit = "controls"

    def count(self, workspace: Workspace, options: Options) -> int:
        return options.controls

    def settings(self, workspace: Workspace, options: Options) -> Mapping[str, Any]:
        return {
            "controls": options.controls,
            "seed": SEED,
            "unlearning_draws": Settings().unlearning_draws,
            "target_rise": Settings().target_rise,
            "space": workspace.gradient_space(),
        }

    def chunk(self, workspace: Workspace, rows: range, options: Options) -> Chunk:
        asked = [control(workspace, SEED + number) for number in rows]
        return {
            "vectors": np.stack([vector for vector, _, _ in asked]).astype(np.float16),
            "units": np.array([unit for _, unit, _ in asked]),
            "captions": np.array([row for _, _, row in asked], np.int64),
        }

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        parts = list(chunks)
        arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        (folder / "controls.safetensors").write_bytes(save(arrays))


JOB = Controls()
