"""Nearest neighbours of a picture in an embedding of the training set, through FAISS.

Inner products of vectors of length 1, so scores are cosines. Ties are broken by id.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import faiss
import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from attribution.errors import CorruptArtifactError
from attribution.workspace.inverted_lists import FILE, InvertedLists, read_lists
from attribution.workspace.store import Artifact

SPREAD = 3.0  # standard deviations that four bits are spread over, to each side
MOST_DIMENSIONS = 65_536
BITS = {faiss.ScalarQuantizer.QT_8bit: 8, faiss.ScalarQuantizer.QT_4bit: 4}
# What a scalar quantizer's file begins with: kind, dimensions, vectors, two words without meaning, whether
# it is trained, metric; then of its codes: their type, how it was fitted and with which argument,
# dimensions, bytes a vector, and how many numbers were fitted.
HEADER = struct.Struct("<4siqqq?iiifQQQ")
BLOCK = 256  # rows whose scores are computed at once: what they take stays in the processor's cache


class Neighbours:
    """A read-only index of one embedding; row i is training example i.

    Args:
        stored: vectors of length 1 as they are searched; or, with `lists`, as they are stored, a few bits a
            number, of which those that are looked at are decoded.
        lists: in which the nearest are looked for; None where every vector is looked at.
    """

    def __init__(
        self,
        stored: faiss.IndexFlat | faiss.IndexScalarQuantizer,
        ids: Sequence[str],
        lists: InvertedLists | None = None,
    ):
        if stored.ntotal != len(ids):
            raise CorruptArtifactError(f"an index of {stored.ntotal} vectors for {len(ids)} examples")
        self._stored, self.ids, self.lists = stored, ids, lists
        self.dimensions = int(stored.d)

    @cached_property
    def index(self) -> faiss.IndexFlat:
        """Every vector in single precision; with lists they are decoded when all are asked about."""
        return self._stored if isinstance(self._stored, faiss.IndexFlat) else decoded(self._stored)

    @cached_property
    def vectors(self) -> Float[ndarray, "n d"]:
        """A view of what is searched, not a copy."""
        return vectors_in(self.index)

    def vectors_of(self, rows: Int[ndarray, " k"]) -> Float[ndarray, "k d"]:
        """The vectors of some rows."""
        if isinstance(self._stored, faiss.IndexFlat):
            found: Float[ndarray, "k d"] = self.vectors[rows]
            return found
        return unit(self._stored.reconstruct_batch(rows))

    def vector(self, row: int) -> Float[ndarray, " d"]:
        """The vector of one row."""
        one: Float[ndarray, " d"] = self.vectors_of(np.array([row]))[0]
        return one

    def scores(self, vector: Float[ndarray, " d"], rows: Int[ndarray, " k"]) -> Float[ndarray, " k"]:
        """The cosine of each row with `vector`, float64.

        A row's score is a sum over that row alone, so it is the same to the last bit in whatever
        subset it is asked for (a matrix product rounds by position) and equal pictures tie.
        """
        out = np.empty(len(rows))
        wide = vector.astype(np.float64)
        for start in range(0, len(rows), BLOCK):
            block = self.vectors_of(rows[start : start + BLOCK])
            out[start : start + BLOCK] = (block * wide).sum(axis=1)
        return out

    def search(
        self, vector: Float[ndarray, " d"], count: int, among: Bool[ndarray, " n"] | None = None
    ) -> Int[ndarray, " k"]:
        """The `count` nearest rows, best first; of those that are `among` the chosen ones, if any are."""
        total = len(self.ids) if among is None else int(among.sum())
        count = min(count, total)
        if not count:
            return np.empty(0, np.int64)
        asked, only = min(total, count + 16), None
        if among is not None:
            bits = np.packbits(among, bitorder="little")
            # FAISS's stubs do not know how its Python wrapper takes arrays and names.
            only = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))  # type: ignore[call-arg,arg-type]
        while True:
            found, rows = self.index.search(vector[None].astype(np.float32), asked, params=only)
            # Widen until the last one is clearly worse than the count-th: all its ties are in.
            if asked == total or found[0, -1] < found[0, count - 1] - 1e-6:
                break
            asked = min(total, 2 * asked)
        return self._first(vector, np.sort(rows[0]), count)

    def found(self, vector: Float[ndarray, " d"], count: int) -> Int[ndarray, " k"]:
        """The `count` nearest rows of those that the nearest lists hold, best first; of all without lists.

        Their scores are those of an exact search; how many of its first rows are among them was measured,
        see `Recall`.
        """
        if self.lists is None:
            return self.search(vector, count)
        return self._first(vector, self.lists.promising(vector, count), count)

    def _first(
        self, vector: Float[ndarray, " d"], rows: Int[ndarray, " n"], count: int
    ) -> Int[ndarray, " k"]:
        """The `count` nearest of some rows, best first; ties are broken by id."""
        scores = self.scores(vector, rows)
        if count < len(rows):
            kept = scores >= np.partition(scores, len(scores) - count)[len(scores) - count]
            rows, scores = rows[kept], scores[kept]
        order = sorted(range(len(rows)), key=lambda i: (-scores[i], self.ids[int(rows[i])]))
        return rows[order[:count]].astype(np.int64)


def unit(vectors: Float[ndarray, "n d"]) -> Float[ndarray, "n d"]:
    """Bring rows back to length 1, which rounding has moved them from; a zero row stays zero."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)


def decoded(stored: faiss.IndexScalarQuantizer) -> faiss.IndexFlatIP:
    """Return the stored vectors as they are searched: single precision, and little more meanwhile."""
    index = faiss.IndexFlatIP(stored.d)
    index.codes.resize(stored.ntotal * stored.d * np.dtype(np.float32).itemsize)
    index.ntotal = stored.ntotal
    vectors = vectors_in(index)
    for start in range(0, stored.ntotal, BLOCK):
        count = min(BLOCK, stored.ntotal - start)
        vectors[start : start + count] = unit(stored.reconstruct_n(start, count))
    return index


def vectors_in(index: faiss.IndexFlat) -> Float[ndarray, "n d"]:
    """The vectors of a flat index, where they lie."""
    flat: Float[ndarray, " numbers"] = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d)
    return flat.reshape(index.ntotal, index.d)


def write_index(
    parts: Iterable[Float[ndarray, "n d"]], path: Path, bits: int = 8
) -> faiss.IndexScalarQuantizer:
    """Build an inner-product index from consecutive rows, 8 or 4 bits a number; write and return it.

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
    return index


def read_index(artifact: Artifact, ids: Sequence[str], dimensions: int | None = None) -> Neighbours:
    """Open an artifact's index; its bytes are compared with the manifest before FAISS sees them.

    It is searched in single precision: the stored fewer bits only save room. An artifact that has lists is
    searched through these.

    Args:
        dimensions: that its vectors must have, where they are known.

    Raises:
        CorruptArtifactError: they differ, or it is not an inner-product index over these examples.
    """
    file = f"{artifact.name}.faiss"
    data = artifact.read(file)
    if why := _oddity(data, len(ids), dimensions):
        raise artifact.corrupt(f"{file} is not an index of these training images: {why}")
    # Not downcast again: that object would not own its memory.
    stored: faiss.IndexScalarQuantizer
    stored = faiss.deserialize_index(np.frombuffer(data, np.uint8))  # type: ignore[assignment]
    if not _spread_is_finite(data, stored.d):
        raise artifact.corrupt(f"{file} holds vectors that are not finite")
    if FILE in artifact.files:
        return Neighbours(stored, ids, read_lists(artifact, len(ids), stored.d))
    return Neighbours(decoded(stored), ids)


def _spread_is_finite(data: bytes, dimensions: int) -> bool:
    """Whether the least and the largest value that each dimension's codes stand for are numbers."""
    least, spread = np.frombuffer(data, np.float32, 2 * dimensions, HEADER.size).reshape(2, dimensions)
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(least).all() and np.isfinite(least + spread).all())


def _oddity(data: bytes, rows: int, dimensions: int | None) -> str | None:
    """What is wrong with an index's bytes, read without FAISS, which believes every length it is told."""
    if len(data) < HEADER.size or data[:4] != b"IxSQ":
        return "it is no scalar quantizer"
    _, d, vectors, _, _, trained, metric, kind, _, _, coded, width, fitted = HEADER.unpack_from(data)
    if metric != faiss.METRIC_INNER_PRODUCT or not trained or kind not in BITS:
        return "it is not a trained one of inner products, of 4 or 8 bits"
    if vectors != rows:
        return f"it has {vectors} vectors for {rows} images"
    if not 1 <= d <= MOST_DIMENSIONS or dimensions not in (None, d):
        return f"its vectors have {d} dimensions, not {dimensions or f'1 to {MOST_DIMENSIONS}'}"
    if coded != d or width != -(-d * BITS[kind] // 8) or fitted != 2 * d:
        return "its parts have other dimensions"
    end = HEADER.size + 4 * fitted
    codes = struct.unpack_from("<Q", data, end)[0] if len(data) >= end + 8 else -1
    if codes != rows * width or len(data) != end + 8 + codes:
        return "its length is not what it says"
    return None
