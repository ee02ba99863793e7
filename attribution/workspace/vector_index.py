"""Nearest neighbours of a picture in an embedding of the training set, through FAISS.

Inner products of vectors of length 1, so scores are cosines. Ties are broken by id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import faiss
import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from attribution.errors import CorruptArtifactError
from attribution.workspace.store import Artifact

SPREAD = 3.0  # standard deviations that four bits are spread over, to each side
BLOCK = 256  # rows whose scores are computed at once: what they take stays in the processor's cache


class Neighbours:
    """A read-only index of one embedding; row i is training example i."""

    def __init__(self, index: faiss.IndexFlat, ids: Sequence[str]):
        if index.ntotal != len(ids):
            raise CorruptArtifactError(f"an index of {index.ntotal} vectors for {len(ids)} examples")
        self.index, self.ids = index, ids
        flat = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)  # a view, not a copy
        self.vectors: Float[ndarray, "n d"] = flat.reshape(index.ntotal, index.d)

    def scores(self, vector: Float[ndarray, " d"], rows: Int[ndarray, " k"]) -> Float[ndarray, " k"]:
        """The cosine of each row with `vector`, float64.

        A row's score is a sum over that row alone, so it is the same to the last bit in whatever
        subset it is asked for (a matrix product rounds by position) and equal pictures tie.
        """
        out = np.empty(len(rows))
        wide = vector.astype(np.float64)
        for start in range(0, len(rows), BLOCK):
            block = self.vectors[rows[start : start + BLOCK]]
            out[start : start + BLOCK] = (block * wide).sum(axis=1)
        return out

    def search(self, vector: Float[ndarray, " d"], count: int) -> Int[ndarray, " k"]:
        """The `count` nearest rows, best first."""
        total = len(self.ids)
        count = min(count, total)
        asked = min(total, count + 16)
        while True:
            found, rows = self.index.search(vector[None].astype(np.float32), asked)
            # Widen until the last one is clearly worse than the count-th: all its ties are in.
            if asked == total or found[0, -1] < found[0, count - 1] - 1e-6:
                break
            asked = min(total, 2 * asked)
        near = np.sort(rows[0])
        scores = self.scores(vector, near)
        order = sorted(range(len(near)), key=lambda i: (-scores[i], self.ids[int(near[i])]))
        return near[order[:count]].astype(np.int64)


def write_index(parts: Iterable[Float[ndarray, "n d"]], path: Path, bits: int = 8) -> None:
    """Build an inner-product index from consecutive rows, 8 or 4 bits a number, and write it.

    With 8 bits a dimension is spread evenly between its least and its largest value (a cosine is then
    right to about 0.001); with 4 bits over three standard deviations to both sides of its mean.
    """
    vectors = np.ascontiguousarray(np.concatenate(list(parts)), dtype=np.float32)
    kind = {8: faiss.ScalarQuantizer.QT_8bit, 4: faiss.ScalarQuantizer.QT_4bit}[bits]
    index = faiss.IndexScalarQuantizer(vectors.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
    if bits == 4:
        index.sq.rangestat, index.sq.rangestat_arg = faiss.ScalarQuantizer.RS_meanstd, SPREAD
    index.train(vectors)
    index.add(vectors)
    path.write_bytes(faiss.serialize_index(index).tobytes())


def read_index(artifact: Artifact, ids: Sequence[str]) -> Neighbours:
    """Open an artifact's index; its bytes are compared with the manifest before FAISS sees them.

    Rows are brought back to length 1, which rounding has moved them from (a zero row stays zero). It is
    searched in single precision: the stored fewer bits only save room.

    Raises:
        CorruptArtifactError: they differ, or it is not an inner-product index over these examples.
    """
    data = np.frombuffer(artifact.read(f"{artifact.name}.faiss"), dtype=np.uint8)
    stored = faiss.deserialize_index(data)  # not downcast again: that object would not own its memory
    if stored.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise CorruptArtifactError(f"{artifact.name} is not an inner-product index")
    vectors = stored.reconstruct_n(0, stored.ntotal)
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    index = faiss.IndexFlatIP(stored.d)
    index.add(np.ascontiguousarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32))
    return Neighbours(index, ids)
