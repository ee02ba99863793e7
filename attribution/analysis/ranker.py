"""A small network that ranks training images as unlearning does, without asking the diffusion model.

After FastGDA (arXiv 2511.10721), which distils attribution by unlearning into features that are looked up.
Two towers read what encoders say of a picture and of its caption. A training image's score for a query is

    s(q, i) = <f(x_q), g(x_i)> + b(x_i)

where b is how easily an image is moved at all. It is taught by control queries of which it is known how far
unlearning each moves every training image (`attribution.analysis.divergence_null`): the softmax of its
scores over the images shall be that of theirs (ListNet; Cao et al., ICML 2007). Some controls are kept from
it, and say how well it ranks for pictures that it was not taught by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Int
from numpy import ndarray
from torch import Tensor, nn

from attribution.analysis.divergence_null import logarithms
from attribution.gradients.stored import OF_MODEL
from attribution.rng import generator
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.embeddings import embedding
from attribution.workspace.store import Artifact, Shape
from attribution.workspace.workspace import Workspace

# What a picture and its caption are told by: the likeness methods of these names.
FEATURES = {
    "clip": embedding("clip"),
    "clip-text": embedding("clip", captions=True),
    "dino": embedding("dino"),
}
FILE = "towers.safetensors"
WIDTH, RANK = 128, 64  # of a tower: hidden units, and what both end in
STEPS, LEARNING_RATE, WEIGHT_DECAY = 600, 2e-3, 0.1
NOISE = 0.05  # standard deviation of what is added to each number that pictures are told in, as it learns
SCALE = 5.0  # of those numbers before the first layer: they are of vectors of length 1
SHARPNESS = 1.0  # what a standard deviation of a teacher's logarithms is in its softmax
HELD_OUT = 5  # every so manieth control is kept from it
FIRST = 100  # ranks whose recall is told
BLOCK = 4096  # images whose tower is run at once


class Tower(nn.Module):
    """Two layers over the features of a picture and its caption."""

    def __init__(self, features: int, out: int, seed: int):
        super().__init__()
        own = generator(seed, "ranker", features, out)
        self.hidden, self.last = nn.Linear(features, WIDTH), nn.Linear(WIDTH, out)
        with torch.no_grad():
            for layer in (self.hidden, self.last):
                drawn = own.standard_normal(tuple(layer.weight.shape), np.float32)
                layer.weight.copy_(torch.from_numpy(drawn) / layer.in_features**0.5)
                layer.bias.zero_()

    def forward(self, given: Float[Tensor, "n features"]) -> Float[Tensor, "n out"]:
        found: Float[Tensor, "n out"] = self.last(F.gelu(self.hidden(SCALE * given)))
        return found


class Ranker(nn.Module):
    """The two towers. What the second says of an image ends in its bias.

    Args:
        features: how many numbers a picture and its caption are told in.
    """

    def __init__(self, features: int, seed: int = 0):
        super().__init__()
        self.query, self.image = Tower(features, RANK, seed), Tower(features, RANK + 1, seed)

    def known(self, images: Float32[ndarray, "n features"]) -> Float32[ndarray, "n known"]:
        """Return what the second tower makes of images, block by block."""
        with torch.no_grad():
            parts = [self.image(part).numpy() for part in torch.from_numpy(images).split(BLOCK)]
        found: Float32[ndarray, "n known"] = np.concatenate(parts)
        return found

    def asked(self, query: Float32[ndarray, " features"]) -> Float32[ndarray, " known"]:
        """Return a query as it is multiplied with what is known of an image, for its score."""
        with torch.no_grad():
            (own,) = self.query(torch.from_numpy(query)[None])
        found: Float32[ndarray, " known"] = np.append(own.numpy(), np.float32(1))
        return found

    def forward(
        self, queries: Float[Tensor, "q features"], images: Float[Tensor, "n features"]
    ) -> Float[Tensor, "q n"]:
        known = self.image(images)
        scores: Float[Tensor, "q n"] = self.query(queries) @ known[:, :-1].T + known[:, -1]
        return scores


@dataclass(frozen=True)
class Lessons:
    """What a ranker is taught from.

    Attributes:
        queries: the features of control queries.
        images: those of training images.
        worth: how far each query moves each image, as logarithms; each query's of mean 0 and deviation 1.
        sizes: how many of the features each of `FEATURES` has, in order.
    """

    queries: Float32[ndarray, "q features"]
    images: Float32[ndarray, "n features"]
    worth: Float32[ndarray, "q n"]
    sizes: Sequence[int]

    def of(self, rows: Int[ndarray, " some"]) -> Lessons:
        """Return those of some queries."""
        return replace(self, queries=self.queries[rows], worth=self.worth[rows])

    def blurred(self, own: np.random.Generator) -> Lessons:
        """Return the same with noise on what pictures are told in, or few queries are known by heart."""
        noise = [
            own.standard_normal(each.shape, np.float32) * np.float32(NOISE)
            for each in (self.queries, self.images)
        ]
        return replace(self, queries=self.queries + noise[0], images=self.images + noise[1])

    def loss(self, ranker: Ranker) -> Tensor:
        """The mean cross-entropy of the ranker's softmax over images under the teacher's."""
        given, images = torch.from_numpy(self.queries), torch.from_numpy(self.images)
        wanted = (torch.from_numpy(self.worth) / SHARPNESS).softmax(dim=1)
        return F.cross_entropy(ranker(given, images), wanted)


def standardised(divergences: Float[ndarray, "q n"]) -> Float32[ndarray, "q n"]:
    """Return how far queries move images as `Lessons.worth` has it."""
    logs = logarithms(divergences)
    spread = np.maximum(logs.std(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    found: Float32[ndarray, "q n"] = ((logs - logs.mean(axis=1, keepdims=True)) / spread).astype(np.float32)
    return found


def taught(lessons: Lessons, seed: int = 0) -> tuple[Ranker, dict[str, Any]]:
    """Return a ranker, and how well it ranks for the queries that were kept from it.

    The same lessons teach the same ranker, up to how a machine rounds.
    """
    every = np.arange(len(lessons.queries))
    kept = every % HELD_OUT == HELD_OUT - 1
    own, ranker = generator(seed, "ranker noise"), Ranker(lessons.queries.shape[1], seed)
    optimizer = torch.optim.AdamW(ranker.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    mine = lessons.of(every[~kept])
    for _ in range(STEPS):
        optimizer.zero_grad()
        mine.blurred(own).loss(ranker).backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        measured = {"taught": int((~kept).sum()), "loss": round(float(mine.loss(ranker)), 4)}
    return ranker, {**measured, **held_out(ranker, lessons.of(every[kept]))}


def held_out(ranker: Ranker, lessons: Lessons) -> dict[str, Any]:
    """Return how the order of the images agrees with the teacher's, the mean over some queries.

    Of the ranker, and beside it of each likeness that it is told: what it must be better than.
    """
    if not len(lessons.queries):
        return {"held_out": 0}
    from scipy.stats import spearmanr  # a second, that every command which names the jobs would wait

    with torch.no_grad():
        scores = ranker(torch.from_numpy(lessons.queries), torch.from_numpy(lessons.images)).numpy()
        loss = float(lessons.loss(ranker))
    ends = np.cumsum(lessons.sizes)
    likeness = {
        f"recall_of_{name}": recall(lessons.queries[:, part] @ lessons.images[:, part].T, lessons.worth)
        for name, part in zip(FEATURES, map(slice, [0, *ends[:-1]], ends), strict=True)
    }
    agreement = [
        float(spearmanr(own, theirs).statistic) for own, theirs in zip(scores, lessons.worth, strict=True)
    ]
    return {
        "held_out": len(scores),
        "loss_held_out": round(loss, 4),
        "spearman": round(float(np.mean(agreement)), 4),
        "recall": recall(scores, lessons.worth),
        **likeness,
    }


def recall(scores: Float[ndarray, "q n"], worth: Float[ndarray, "q n"]) -> float:
    """Return the share of the teacher's first `FIRST` images that are among the first by some scores."""
    first = min(FIRST, scores.shape[1])
    shares = [
        len(np.intersect1d(np.argsort(-own)[:first], np.argsort(-theirs)[:first])) / first
        for own, theirs in zip(scores, worth, strict=True)
    ]
    return round(float(np.mean(shares)), 4)


@dataclass(frozen=True)
class Distilled:
    """A ranker that is taught, and what it knows of every training image."""

    ranker: Ranker
    known: Float32[ndarray, "n known"]

    def scores(
        self, query: Float32[ndarray, " features"], rows: Int[ndarray, " k"]
    ) -> Float32[ndarray, " k"]:
        """Return the scores of some training images, a sum over each image alone."""
        found: Float32[ndarray, " k"] = (self.known[rows] * self.ranker.asked(query)).sum(axis=1)
        return found


def image_features(workspace: Workspace, rows: Int[ndarray, " k"]) -> Float32[ndarray, "k features"]:
    """Return what is told of some training images."""
    told = [workspace.load(kind).neighbours.vectors_of(rows) for kind in FEATURES.values()]
    found: Float32[ndarray, "k features"] = np.concatenate(told, axis=1).astype(np.float32)
    return found


def _read(workspace: Workspace, artifact: Artifact) -> Distilled:
    count = sum(workspace.load(kind).neighbours.dimensions for kind in FEATURES.values())
    ranker = Ranker(count)
    shapes: dict[str, Shape] = {name: tuple(value.shape) for name, value in ranker.state_dict().items()}
    ranker.load_state_dict(artifact.tensors(FILE, shapes))
    images = len(workspace.training_set)
    parts = (np.arange(start, min(start + BLOCK, images)) for start in range(0, images, BLOCK))
    known = np.concatenate([ranker.known(image_features(workspace, rows)) for rows in parts])
    return Distilled(ranker, known)


DISTILLED = ArtifactKind("distilled", (*OF_MODEL, "probe", "clip", "dino"), _read)
