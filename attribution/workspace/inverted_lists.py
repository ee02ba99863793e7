"""An inverted file: the training set's vectors in lists, of which a search looks at the nearest alone.

Lists are around centroids of spherical k-means (Dhillon & Modha 2001); a search takes those whose centroids
are nearest to the query (Jegou, Douze & Schmid 2011, section IV). What they hold is scored by the vectors
that are stored anyway, so that only *which* images are looked at is approximate, and never a score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import faiss
import numpy as np
import torch
from jaxtyping import Float32, Int64
from numpy import ndarray
from pydantic import Field
from safetensors.numpy import save

from attribution.rng import generator
from attribution.workspace.store import Artifact, Made

FILE = "lists.safetensors"
FEWEST = 8  # rows of which lists can be made, and their recall measured
FIRST, FOUND = 20, 1000  # nearest rows whose recall is measured, and how many are found for an answer
RECALL = 0.98  # of the first 20: as many lists are looked at as it takes
WORTH = 0.25  # share of all lists that may be looked at: beyond, looking at every row is as quick
QUERIES = 256  # rows by which that number is chosen, and as many others by which its recall is measured
SAMPLE, ROUNDS, SEED = 64, 10, 0  # rows a list that k-means sees, its iterations
BLOCK = 65_536  # rows whose products are held at once


class Recall(Made):
    """What was measured when the lists were made.

    Attributes:
        lists: that there are.
        probed: of them, those that a search looks at.
        queries: training images, none of which k-means has seen, that were asked for their nearest others.
        first: of the 20 rows that exact search has first, the share that is found.
        found: of the first 1,000, or of the first hundredth of all rows, likewise.
    """

    lists: Annotated[int, Field(ge=1)]
    probed: Annotated[int, Field(ge=1)]
    queries: Annotated[int, Field(ge=1)]
    first: Annotated[float, Field(ge=0, le=1)]
    found: Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, eq=False)
class InvertedLists:
    """Which rows lie in which list.

    Attributes:
        rows: list by list, ascending in each.
        ends: of the lists among the rows.
    """

    centroids: Float32[ndarray, "lists d"]
    rows: Int64[ndarray, " n"]
    ends: Int64[ndarray, " lists"]
    recall: Recall

    def promising(self, vector: Float32[ndarray, " d"], count: int) -> Int64[ndarray, " k"]:
        """Return the rows of the nearest lists, ascending: of as many as are looked at, or hold `count`."""
        order = nearest_lists(self.centroids, vector[None])[0]
        sizes = np.diff(self.ends, prepend=0)
        enough = int(np.searchsorted(np.cumsum(sizes[order]), count)) + 1
        chosen = order[: max(self.recall.probed, enough)]
        found = [self.rows[self.ends[k] - sizes[k] : self.ends[k]] for k in chosen]
        return np.sort(np.concatenate(found))


def lists_for(rows: int) -> int:
    """Return how many lists so many rows are put into: near the square root, a power of two."""
    return int(2 ** round(math.log2(math.sqrt(rows))))


def nearest_lists(
    centroids: Float32[ndarray, "lists d"], vectors: Float32[ndarray, "queries d"]
) -> Int64[ndarray, "queries lists"]:
    """Return all lists, for each query the nearest first."""
    return np.argsort(-(vectors.astype(np.float64) @ centroids.T.astype(np.float64)), axis=1, kind="stable")


def write_lists(vectors: Float32[ndarray, "n d"], folder: Path) -> Mapping[str, Any]:
    """Put at least `FEWEST` rows of length 1 into lists and write these; return what `Recall` reads.

    Nothing is written, and no lists are told, where so many would have to be looked at that it is not worth
    while, as of vectors without any order: every row is then looked at.

    The rows that measure are not seen by k-means. Half of them choose how many lists are looked at, the
    others say what is found so.
    """
    total, lists = len(vectors), lists_for(len(vectors))
    order = generator(SEED, "inverted lists").permutation(total)
    held_out = min(2 * QUERIES, total // 4)
    seen = np.sort(order[held_out:][: SAMPLE * lists])
    centroids = _centroids(vectors[seen], lists)
    assigned = _assigned(vectors, centroids)
    rows = np.argsort(assigned, kind="stable")
    ends = np.cumsum(np.bincount(assigned, minlength=lists))
    choosing, measuring = (
        _depths(vectors, centroids, assigned, np.sort(part)) for part in np.array_split(order[:held_out], 2)
    )
    probed = _enough(choosing[0], lists)
    if probed > WORTH * lists:
        return {"lists": 0}
    (folder / FILE).write_bytes(save({"centroids": centroids, "rows": rows, "ends": ends}))
    first, found = (float((depths < probed).mean()) for depths in measuring)
    return {"lists": lists, "probed": probed, "queries": len(measuring[0]), "first": first, "found": found}


def read_lists(artifact: Artifact, rows: int, dimensions: int) -> InvertedLists:
    """Return an artifact's lists.

    Raises:
        CorruptArtifactError: they are not lists of these rows, each in one of them.
    """
    recall = artifact.settings(Recall, "measured")
    stored = artifact.tensors(FILE, {"centroids": (None, dimensions), "rows": (rows,), "ends": (None,)})
    centroids, held, ends = (stored[name].numpy() for name in ("centroids", "rows", "ends"))
    typed = stored["centroids"].dtype == torch.float32 and held.dtype == ends.dtype == np.int64
    if not typed or not 1 <= len(ends) == len(centroids) <= rows:
        raise artifact.corrupt(f"{FILE} has other numbers than lists have")
    if not np.array_equal(np.sort(held), np.arange(rows)):
        raise artifact.corrupt(f"{FILE} does not hold each training image once")
    if ends[0] < 0 or (np.diff(ends) < 0).any() or ends[-1] != rows:
        raise artifact.corrupt(f"{FILE} has lists that end before they begin, or not with the last image")
    if not recall.probed <= recall.lists == len(ends):
        raise artifact.corrupt(f"it looks at {recall.probed} of {recall.lists} lists and has {len(ends)}")
    return InvertedLists(centroids, held, ends, recall)


def _centroids(sample: Float32[ndarray, "n d"], lists: int) -> Float32[ndarray, "lists d"]:
    """Spherical k-means."""
    kmeans = faiss.Kmeans(
        sample.shape[1], lists, niter=ROUNDS, seed=SEED, spherical=True, min_points_per_centroid=1
    )
    kmeans.train(np.ascontiguousarray(sample))
    assert kmeans.centroids is not None
    return kmeans.centroids


def _assigned(
    vectors: Float32[ndarray, "n d"], centroids: Float32[ndarray, "lists d"]
) -> Int64[ndarray, " n"]:
    """The list of each row: that whose centroid is nearest."""
    starts = range(0, len(vectors), BLOCK)
    return np.concatenate([(vectors[k : k + BLOCK] @ centroids.T).argmax(axis=1) for k in starts])


def _depths(
    vectors: Float32[ndarray, "n d"],
    centroids: Float32[ndarray, "lists d"],
    assigned: Int64[ndarray, " n"],
    queries: Int64[ndarray, " queries"],
) -> tuple[Int64[ndarray, "queries first"], Int64[ndarray, "queries found"]]:
    """How many lists come before that of each of a query's nearest others: in `first`, in `found`."""
    places = np.argsort(nearest_lists(centroids, vectors[queries]), axis=1)  # of each list, for each query
    count = min(len(vectors) - 1, max(FIRST, min(FOUND, len(vectors) // 100)))
    nearest = _nearest_others(vectors, queries, count)
    depths = np.take_along_axis(places, assigned[nearest], axis=1)
    return depths[:, :FIRST], depths


def _nearest_others(
    vectors: Float32[ndarray, "n d"], queries: Int64[ndarray, " queries"], count: int
) -> Int64[ndarray, "queries count"]:
    """The rows nearest to each of some rows, itself left out, best first: every row is looked at."""
    asked, rows = vectors[queries], queries[:, None]
    best = np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.float32)
    for start in range(0, len(vectors), BLOCK):
        products = asked @ vectors[start : start + BLOCK].T
        block = np.broadcast_to(np.arange(start, start + products.shape[1]), products.shape)
        products[block == rows] = -np.inf
        found, scores = np.concatenate([best[0], block], 1), np.concatenate([best[1], products], 1)
        kept = np.argpartition(-scores, min(count, scores.shape[1]) - 1, axis=1)[:, :count]
        best = np.take_along_axis(found, kept, 1), np.take_along_axis(scores, kept, 1)
    return np.take_along_axis(best[0], np.argsort(-best[1], axis=1, kind="stable"), 1)


def _enough(depths: Int64[ndarray, "queries first"], lists: int) -> int:
    """The fewest lists, a power of two, in which enough of the nearest are."""
    probed = 1
    while probed < lists and (depths < probed).mean() < RECALL:
        probed *= 2
    return probed
