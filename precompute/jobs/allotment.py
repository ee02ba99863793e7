"""How the Fisher information's draws are spread and how much one may add, from a pilot of some images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from attribution.gradients.allotment import LARGEST, allotted
from attribution.gradients.fisher import draw_batches, squared_norms
from attribution.gradients.stored import ALLOTMENT
from attribution.rng import generator
from attribution.workspace.baseline import LATENTS, training_inputs
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs.base import Kind, PerExample, concatenated, option
from precompute.work import Work

SEED = 1  # of the pilot; what it decides is measured with other draws
DRAWS = 8  # of each image
TIMESTEPS, TIMES = "timesteps of the draws", "timesteps of the schedule"  # beside the layers, in a chunk


@dataclass(frozen=True)
class PilotJob(PerExample):
    kind: Kind = ALLOTMENT
    reads: tuple[Kind, ...] = (LATENTS,)
    description: str = "find at which timesteps the Fisher information's draws are needed most"
    pilot: int = option(512, "of the pilot that spreads the Fisher information's draws over timesteps")

    def count(self, workspace: Workspace) -> int:
        return min(self.pilot, len(workspace.training_set))

    def settings(self, workspace: Workspace) -> Mapping[str, Any]:
        return {"pilot": self.pilot, "draws": DRAWS, "seed": SEED, "largest": LARGEST}

    def work(self, workspace: Workspace) -> Work:
        return Work(gradients=DRAWS, stored=8 * workspace.model.num_train_timesteps)

    def chunk(self, workspace: Workspace, rows: range, batch_size: int) -> Chunk:
        model, order = workspace.model, generator(SEED, "pilot").permutation(len(workspace.training_set))
        given = training_inputs(workspace, order[rows.start : rows.stop])
        squares, timesteps = [], []
        for batch in draw_batches(model, *given, DRAWS, SEED, batch_size):
            squares.append({name: squared_norms(f).cpu().numpy() for name, f in batch.factors.items()})
            timesteps.append(batch.timesteps.numpy())
        of_layers = {name: np.concatenate([each[name] for each in squares]) for name in squares[0]}
        return of_layers | {
            TIMESTEPS: np.concatenate(timesteps),
            TIMES: np.array([model.num_train_timesteps]),
        }

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        found = concatenated(list(chunks))
        timesteps, times = found.pop(TIMESTEPS), int(found.pop(TIMES)[0])
        spread = allotted(np.stack([found[name] for name in sorted(found)]), timesteps, times)
        np.save(folder / "probabilities.npy", spread.probabilities)
        largest = {name: np.array(LARGEST * found[name].mean()) for name in sorted(found)}
        (folder / "largest.safetensors").write_bytes(save(largest))


JOBS = (PilotJob(),)
