"""The training set in each encoder's space, as flat FAISS indexes of vectors of length 1.

Where an encoder's vectors are whitened, the whitening is fitted here, on all of them, and kept beside the
index; a query goes through the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.torch import save

from attribution.encoders.base import encoder_reader, encoder_readers
from attribution.encoders.whitening import BLOCK, COMPONENTS, SHRINKAGE, fit_whitening
from attribution.workspace.embeddings import WHITENING, embedding
from attribution.workspace.vector_index import write_index
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs.base import Kind, PerExample
from precompute.work import Work

WHITENED_BITS = 4  # a number of a whitened vector; a cosine among 192 is then right to about 0.01


@dataclass(frozen=True)
class Embeddings(PerExample):
    """One index. `captions`: of the captions rather than the pictures."""

    encoder: str
    captions: bool = False
    description: str = "embed the training set with CLIP, DINO and raw pixels"

    @property
    def kind(self) -> Kind:
        return embedding(self.encoder, self.captions)

    @property
    def unit(self) -> str:  # type: ignore[override]
        return "captions" if self.captions else "images"

    def possible(self, workspace: Workspace) -> bool:
        without = encoder_reader(self.encoder).default is None
        return without or self.encoder in workspace.config.encoders

    @property
    def whitened(self) -> bool:
        return encoder_reader(self.encoder).whitened

    def settings(self, workspace: Workspace) -> Mapping[str, Any]:
        if not self.whitened:
            return {}
        return {"components": COMPONENTS, "shrinkage": SHRINKAGE, "bits": WHITENED_BITS}

    def work(self, workspace: Workspace) -> Work:
        blank = Image.new("RGB", (workspace.resolution,) * 2)
        dimensions = workspace.encoder(self.encoder).images([blank]).shape[1]
        own = min(COMPONENTS, dimensions) * WHITENED_BITS // 8 if self.whitened else dimensions
        return Work(encoder="" if self.captions else self.encoder, stored=own * self.count(workspace))

    def chunk(self, workspace: Workspace, rows: range, batch_size: int) -> Chunk:
        encoder, training_set = workspace.encoder(self.encoder), workspace.training_set
        if self.captions:
            return {"vectors": encoder.captions(training_set.captions[rows.start : rows.stop])}
        images = [workspace.prepared(training_set.image(row)) for row in rows]
        return {"vectors": encoder.images(images)}

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        parts, path = (chunk["vectors"] for chunk in chunks), folder / f"{self.kind.folder}.faiss"
        if not self.whitened:
            write_index(parts, path)
            return
        vectors = np.concatenate(list(parts))
        whitening = fit_whitening(vectors)
        (folder / WHITENING).write_bytes(save(whitening.tensors()))
        blocks = (vectors[start : start + BLOCK] for start in range(0, rows, BLOCK))
        write_index(map(whitening, blocks), path, WHITENED_BITS)


JOBS = tuple(
    Embeddings(reader.name, captions)
    for reader in encoder_readers().values()
    for captions in ((False, True) if reader.has_text else (False,))
)
