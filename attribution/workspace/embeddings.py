"""The training set in an encoder's space: an index, and how a vector is made comparable with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from jaxtyping import Float
from numpy import ndarray

from attribution.encoders.base import encoder_reader
from attribution.encoders.whitening import Whitening
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.store import Artifact
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
        """Return the encoder's vectors as they are compared with the index."""
        return vectors if self.whitening is None else self.whitening(vectors)


def embedding(encoder: str, captions: bool = False) -> ArtifactKind[Embedding]:
    """Return the kind of the training set's pictures, or its captions, under one encoder."""
    bound_to = (encoder, "training_set") if captions else (encoder, "training_set", "resolution")
    name = f"embeddings-{encoder}{'-text' if captions else ''}"
    return ArtifactKind(name, bound_to, partial(_read, encoder), "embeddings")


def _read(encoder: str, workspace: Workspace, artifact: Artifact) -> Embedding:
    whitened = encoder_reader(encoder).whitened
    whitening = Whitening(**artifact.tensors(WHITENING)) if whitened else None
    return Embedding(read_index(artifact, workspace.training_set.ids), whitening)
