"""How the Fisher information's draws are spread over timesteps, from a pilot of some training images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from attribution.gradients.allotment import allotted
from attribution.gradients.fisher import draw_batches
from attribution.gradients.stored import ALLOTMENT
from attribution.models.batch import Conditioning
from attribution.rng import generator
from attribution.workspace.baseline import LATENTS, training_latents
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs.base import Kind, PerExample, concatenated, option

SEED = 1  # of the pilot; what it decides is measured with other draws
DRAWS = 8  # of each image


@dataclass(frozen=True)
class PilotJob(PerExample):
    kind: Kind = ALLOTMENT
    reads: tuple[Kind, ...] = (LATENTS,)
    description: str = "find at which timesteps the Fisher information's draws are needed most"
    pilot: int = option(512, "of the pilot that spreads the Fisher information's draws over timesteps")

    def count(self, workspace: Workspace) -> int:
        return min(self.pilot, len(workspace.training_set))

    def settings(self, workspace: Workspace) -> Mapping[str, Any]:
        return {"pilot": self.pilot, "draws": DRAWS, "seed": SEED}

    def chunk(self, workspace: Workspace, rows: range, batch_size: int) -> Chunk:
        training_set, model = workspace.training_set, workspace.model
        order = generator(SEED, "pilot").permutation(len(training_set))
        chosen = order[rows.start : rows.stop]
        latents = training_latents(workspace, chosen)
        captions: Conditioning = model.encode_captions([training_set.captions[row] for row in chosen])
        ids = [training_set.ids[row] for row in chosen]
        squares, timesteps = [], []
        for batch in draw_batches(model, latents, captions, ids, DRAWS, SEED, batch_size):
            norms = [f.per_draw().double().square().sum(dim=(1, 2)) for f in batch.factors.values()]
            squares.append(np.stack([norm.cpu().numpy() for norm in norms], axis=1))
            timesteps.append(batch.timesteps.numpy())
        return {
            "squares": np.concatenate(squares),
            "timesteps": np.concatenate(timesteps),
            "times": np.array([model.num_train_timesteps]),
        }

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        found = concatenated(list(chunks))
        spread = allotted(found["squares"].T, found["timesteps"], int(found["times"][0]))
        np.save(folder / "probabilities.npy", spread.probabilities)


JOBS = (PilotJob(),)
