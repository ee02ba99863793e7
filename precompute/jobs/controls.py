"""Control queries: pictures of captions drawn from the training set, and their sketched gradients.

Under them every training image has its null (see `attribution.null`). A control is asked exactly as a
person's picture is: generated, encoded, differentiated over as many draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from attribution.asking import query_gradient
from attribution.diffusion import Generation
from attribution.noise import generator
from attribution.query import Query, Settings
from attribution.workspace import Workspace
from attribution.writer import Chunk
from precompute.jobs import Options

SEED = 7_000_000  # of the first control's picture and draws; people begin at 0


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


def control(workspace: Workspace, seed: int) -> tuple[np.ndarray, float, int]:
    """One control query: its sketched gradient, the unit of its scores, and the row of its caption."""
    row = int(generator(seed, "control-caption").integers(len(workspace.training_set)))
    caption = workspace.training_set.captions[row]
    *_, last = workspace.model.generate(Generation(caption, seed))
    assert last.image is not None
    settings = Settings(seed=seed)
    *_, gradient = query_gradient(workspace, Query(last.image, caption), settings)
    first_order = workspace.first_order()
    _, unit = first_order.matched_step(gradient.mean, gradient.loss, settings.target_rise)
    return first_order.query_vector(gradient.mean), unit, row
