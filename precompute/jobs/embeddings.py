"""The training set in each encoder's space, as flat FAISS indexes of vectors of length 1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attribution.encoders import encoder_readers
from attribution.images import prepared
from attribution.neighbours import write_index
from attribution.workspace import Workspace
from attribution.writer import Chunk
from precompute.jobs import Job, Options


@dataclass(frozen=True)
class Embeddings:
    """One index. `captions`: of the captions rather than the pictures."""

    encoder: str
    captions: bool = False

    @property
    def artifact(self) -> str:
        return f"embeddings-{self.encoder}{'-text' if self.captions else ''}"

    @property
    def unit(self) -> str:
        return "captions" if self.captions else "images"

    def count(self, workspace: Workspace, options: Options) -> int:
        return len(workspace.training_set)

    def settings(self, workspace: Workspace, options: Options) -> Mapping[str, Any]:
        return {}

    def chunk(self, workspace: Workspace, rows: range, options: Options) -> Chunk:
        encoder, training_set = workspace.encoder(self.encoder), workspace.training_set
        if self.captions:
            return {"vectors": encoder.captions(training_set.captions[rows.start : rows.stop])}
        images = [prepared(training_set.image(row), workspace.resolution) for row in rows]
        return {"vectors": encoder.images(images)}

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        write_index((chunk["vectors"] for chunk in chunks), folder / f"{self.artifact}.faiss")


def embedding_jobs(workspace: Workspace) -> list[Job]:
    """One job for each embedding that the workspace's encoders can make."""
    jobs: list[Job] = []
    for reader in encoder_readers().values():
        if reader.default is None or reader.name in workspace.config.encoders:
            jobs.append(Embeddings(reader.name))
            if reader.has_text:
                jobs.append(Embeddings(reader.name, captions=True))
    return jobs
