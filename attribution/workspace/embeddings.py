"""The training set in an encoder's space: an index, and how a vector is made comparable with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from jaxtyping import Float
from numpy import ndarray

from attribution.encoders.base import encoder_reader
from attribution.encoders.whitening import Whitening
from attribution.errors import CorruptArtifactError
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.store import Artifact, Shape
from attribution.workspace.vector_index import Neighbours, read_index
from attribution.workspace.workspace import Workspace

WHITENING = "whitening.safetensors"  # beside the index of an encoder whose vectors are whitened


@dataclass(frozen=True)
class Embedding:
    """The index of an embedding.

    Attributes:
        whitening: fitted on the training set; None for an encoder whose vectors are compared as they are.
    """

    neighbours: Neighbours
    whitening: Whitening | None

    def comparable(self, vectors: Float[ndarray, "n d"]) -> Float[ndarray, "n k"]:
        """Return the encoder's vectors as they are compared with the index.

        Raises:
            CorruptArtifactError: they have another number of dimensions.
        """
        known = self.neighbours.dimensions if self.whitening is None else len(self.whitening.mean)
        if vectors.shape[1] != known:
            raise CorruptArtifactError(
                f"an embedding of {known} dimensions cannot be asked with {vectors.shape[1]}: make it "
                "again with `python -m precompute embeddings --remake --workspace DIR`"
            )
        return vectors if self.whitening is None else self.whitening(vectors)


def embedding(encoder: str, captions: bool = False) -> ArtifactKind[Embedding]:
    """Return the kind of the training set's pictures, or its captions, under one encoder."""
    bound_to = (encoder, "training_set") if captions else (encoder, "training_set", "resolution")
    name = f"embeddings-{encoder}{'-text' if captions else ''}"
    return ArtifactKind(name, bound_to, partial(_read, encoder), "embeddings")


def encoders_of_looks(workspace: Workspace) -> tuple[str, ...]:
    """The encoders with a checkpoint here that say what a picture looks like, not what it came from."""
    return tuple(name for name in workspace.config.encoders if not encoder_reader(name).of)


def _read(encoder: str, workspace: Workspace, artifact: Artifact) -> Embedding:
    neighbours = read_index(artifact, workspace.training_set.ids)
    if not encoder_reader(encoder).whitened:
        return Embedding(neighbours, None)
    kept = neighbours.dimensions
    shapes: dict[str, Shape] = {"mean": (None,), "basis": (None, kept), "deviations": (kept,)}
    stored = artifact.tensors(WHITENING, shapes)
    if len(stored["mean"]) != len(stored["basis"]) or not (stored["deviations"] > 0).all():
        raise artifact.corrupt(f"{WHITENING} is no whitening")
    return Embedding(neighbours, Whitening(**stored))
