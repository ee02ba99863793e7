"""The training set in each encoder's space, as FAISS indexes of vectors of length 1.

Of many rows lists are kept beside, so that a search need not look at all of them; what it finds of what
exact search finds is measured here.

Where an encoder's vectors are whitened, the whitening is fitted here, on all of them, and kept beside the
index; a query goes through the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from faiss import IndexScalarQuantizer
from jaxtyping import Float
from numpy import ndarray
from PIL import Image
from safetensors.torch import save

from attribution.encoders.base import encoder_reader, encoder_readers
from attribution.encoders.whitening import BLOCK, COMPONENTS, SHRINKAGE, fit_whitening
from attribution.workspace.embeddings import WHITENING, embedding
from attribution.workspace.inverted_lists import FEWEST, lists_for, write_lists
from attribution.workspace.vector_index import decoded, vectors_in, write_index
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs.base import Kind, PerExample, option
from precompute.work import Work

EXACT = 250_000  # of 512 dimensions: half a gigabyte to be looked at
LISTED = 8  # bytes of a row in its list
WHITENED_BITS = 4  # a number of a whitened vector; a cosine among 192 is then right to about 0.01


@dataclass(frozen=True)
class Embeddings(PerExample):
    """One index. `captions`: of the captions rather than the pictures."""

    encoder: str
    captions: bool = False
    description: str = "embed the training set with CLIP, DINO and raw pixels"
    exact: int = option(EXACT, "training images up to which a search looks at every one")

    @property
    def kind(self) -> Kind:
        return embedding(self.encoder, self.captions)

    @property
    def unit(self) -> str:  # type: ignore[override]
        return "captions" if self.captions else "images"

    def possible(self, workspace: Workspace) -> bool:
        return not encoder_reader(self.encoder).checkpoint or self.encoder in workspace.config.encoders

    @property
    def whitened(self) -> bool:
        return encoder_reader(self.encoder).whitened

    def settings(self, workspace: Workspace) -> Mapping[str, Any]:
        lists = {"lists": lists_for(self.count(workspace))} if self._listed(self.count(workspace)) else {}
        if not self.whitened:
            return lists
        return {"components": COMPONENTS, "shrinkage": SHRINKAGE, "bits": WHITENED_BITS, **lists}

    def _listed(self, rows: int) -> bool:
        """Whether there are so many rows that a search looks at some lists of them alone."""
        return rows > max(self.exact, FEWEST)

    def work(self, workspace: Workspace) -> Work:
        blank = Image.new("RGB", (workspace.resolution,) * 2)
        dimensions = workspace.encoder(self.encoder).images([blank]).shape[1]
        own = min(COMPONENTS, dimensions) * WHITENED_BITS // 8 if self.whitened else dimensions
        rows = self.count(workspace)
        stored = rows * (own + (LISTED if self._listed(rows) else 0))
        return Work(encoder="" if self.captions else self.encoder, stored=stored)

    def chunk(self, workspace: Workspace, rows: range, batch_size: int) -> Chunk:
        parts = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
        return {"vectors": np.concatenate([self._embedded(workspace, part) for part in parts])}

    def _embedded(self, workspace: Workspace, rows: range) -> Float[ndarray, "n d"]:
        encoder, training_set = workspace.encoder(self.encoder), workspace.training_set
        if self.captions:
            return encoder.captions(training_set.captions[rows.start : rows.stop])
        return encoder.images([workspace.prepared(training_set.image(row)) for row in rows])

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> Mapping[str, Any] | None:
        index = self._indexed((chunk["vectors"] for chunk in chunks), folder)
        if not self._listed(rows):
            return None
        flat = decoded(index)
        return write_lists(vectors_in(flat), folder)

    def doubt(self, measured: Mapping[str, Any]) -> str | None:
        if measured.get("lists") != 0:
            return None
        return "these vectors lie in no order that a search could use: it looks at every one"

    def _indexed(self, parts: Iterator[Float[ndarray, "n d"]], folder: Path) -> IndexScalarQuantizer:
        """Write and return the index of all vectors, whitened where they are to be."""
        path = folder / f"{self.kind.folder}.faiss"
        if not self.whitened:
            return write_index(parts, path)
        vectors = np.concatenate(list(parts))
        whitening = fit_whitening(vectors)
        (folder / WHITENING).write_bytes(save(whitening.tensors()))
        blocks = (vectors[start : start + BLOCK] for start in range(0, len(vectors), BLOCK))
        return write_index(map(whitening, blocks), path, WHITENED_BITS)


JOBS = tuple(
    Embeddings(reader.name, captions)
    for reader in encoder_readers().values()
    for captions in ((False, True) if reader.has_text else (False,))
)
