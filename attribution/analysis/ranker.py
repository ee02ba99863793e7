"""A small network that ranks training images as unlearning does, without asking the diffusion model.

After FastGDA (arXiv 2511.10721), which distils attribution by unlearning into features that are looked up.
Two towers read what encoders say of a picture and of its caption, and a few units read how alike the query
and an image are, by each encoder and by the words of their captions (a deep and a wide part; Cheng et al.,
DLRS 2016). A training image's score for a query is

    s(q, i) = <f(x_q), g(x_i)> + b(x_i) + h(c(q, i))

where b is how easily an image is moved at all, and c its likenesses to the query. It is taught by control
queries of which it is known how far unlearning each moves every training image
(`attribution.analysis.divergence_null`): the softmax of its scores over the images shall be that of theirs
(ListNet; Cao et al., ICML 2007). Some controls are kept from it, and say how well it ranks for pictures
that it was not taught by.
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
WORDS = "bm25"  # the likeness of captions by their words, which no vector tells
LIKENESSES = (*FEATURES, WORDS)
FILE = "ranker.safetensors"
WIDTH, RANK = 128, 64  # of a tower: hidden units, and what both end in
UNITS = 16  # that read likenesses
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


class Worth(nn.Module):
    """Two layers over how alike a query and an image are, each likeness told on a scale of its own."""

    mean: Tensor
    spread: Tensor

    def __init__(self, likenesses: int, seed: int):
        super().__init__()
        own = generator(seed, "ranker likenesses", likenesses)
        drawn = own.standard_normal((UNITS, likenesses), np.float32)
        self.hidden, self.last = nn.Linear(likenesses, UNITS), nn.Linear(UNITS, 1, bias=False)
        with torch.no_grad():
            self.hidden.weight.copy_(torch.from_numpy(drawn) / likenesses**0.5)
            self.hidden.bias.zero_()
            self.last.weight.zero_()
        self.register_buffer("mean", torch.zeros(likenesses))
        self.register_buffer("spread", torch.ones(likenesses))

    def forward(self, alike: Float[Tensor, "*pairs likenesses"]) -> Float[Tensor, "*pairs"]:
        units = F.relu(self.hidden((alike - self.mean) / self.spread))
        found: Float[Tensor, "*pairs"] = self.last(units)[..., 0]
        return found

    def scale_to(self, alike: Float32[ndarray, "*pairs likenesses"]) -> None:
        """Tell likenesses from now on as so many of these's standard deviations above their mean."""
        each = alike.reshape(-1, alike.shape[-1])
        self.mean.copy_(torch.from_numpy(each.mean(axis=0)))
        spread = each.std(axis=0)
        self.spread.copy_(torch.from_numpy(np.where(spread > 0, spread, 1)))  # 1: it tells nothing apart

    def of(self, alike: Float32[ndarray, "n likenesses"]) -> Float32[ndarray, " n"]:
        """Return the same of one query, in sums over each pair alone: a product rounds by position."""
        weight, bias = self.hidden.weight.detach().numpy(), self.hidden.bias.detach().numpy()
        last = self.last.weight.detach().numpy()
        told = (alike - self.mean.numpy()) / self.spread.numpy()
        found = np.zeros(len(told), np.float32)
        for unit in range(UNITS):
            found += last[0, unit] * np.maximum((told * weight[unit]).sum(axis=1) + bias[unit], 0)
        return found


class Ranker(nn.Module):
    """The two towers, and what likeness is worth. What the second tower says of an image ends in its bias.

    Args:
        features: how many numbers a picture and its caption are told in.
    """

    def __init__(self, features: int, seed: int = 0):
        super().__init__()
        self.query, self.image = Tower(features, RANK, seed), Tower(features, RANK + 1, seed)
        self.worth = Worth(len(LIKENESSES), seed)

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
        self,
        queries: Float[Tensor, "q features"],
        images: Float[Tensor, "n features"],
        alike: Float[Tensor, "q n likenesses"],
    ) -> Float[Tensor, "q n"]:
        known = self.image(images)
        scores: Float[Tensor, "q n"] = (
            self.query(queries) @ known[:, :-1].T + known[:, -1] + self.worth(alike)
        )
        return scores


@dataclass(frozen=True)
class Lessons:
    """What a ranker is taught from.

    Attributes:
        queries: the features of control queries.
        images: those of training images.
        alike: `LIKENESSES` of each query and each image, in order.
        worth: how far each query moves each image, as logarithms; each query's of mean 0 and deviation 1.
    """

    queries: Float32[ndarray, "q features"]
    images: Float32[ndarray, "n features"]
    alike: Float32[ndarray, "q n likenesses"]
    worth: Float32[ndarray, "q n"]

    def of(self, rows: Int[ndarray, " some"]) -> Lessons:
        """Return those of some queries."""
        return replace(self, queries=self.queries[rows], alike=self.alike[rows], worth=self.worth[rows])

    def blurred(self, own: np.random.Generator) -> Lessons:
        """Return the same with noise on what pictures are told in, or few queries are known by heart."""
        noise = [
            own.standard_normal(each.shape, np.float32) * np.float32(NOISE)
            for each in (self.queries, self.images)
        ]
        return replace(self, queries=self.queries + noise[0], images=self.images + noise[1])

    def loss(self, ranker: Ranker) -> Tensor:
        """The mean cross-entropy of the ranker's softmax over images under the teacher's."""
        wanted = (torch.from_numpy(self.worth) / SHARPNESS).softmax(dim=1)
        return F.cross_entropy(self.scores(ranker), wanted)

    def scores(self, ranker: Ranker) -> Float[Tensor, "q n"]:
        """What a ranker says of them."""
        found: Float[Tensor, "q n"] = ranker(
            *map(torch.from_numpy, (self.queries, self.images, self.alike))
        )
        return found


def likenesses(
    queries: Float32[ndarray, "q features"],
    images: Float32[ndarray, "n features"],
    words: Float32[ndarray, "q n"],
    sizes: Sequence[int],
) -> Float32[ndarray, "q n likenesses"]:
    """Return how alike queries and images are.

    Args:
        words: the likeness of their captions by words.
        sizes: how many of the features each of `FEATURES` has, in order.
    """
    ends = np.cumsum(sizes)
    cosines = [queries[:, part] @ images[:, part].T for part in map(slice, [0, *ends[:-1]], ends)]
    return np.stack([*cosines, words], axis=2).astype(np.float32)


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
    ranker.worth.scale_to(lessons.alike[~kept])
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
        scores, loss = lessons.scores(ranker).numpy(), float(lessons.loss(ranker))
    likeness = {
        f"recall_of_{name}": recall(lessons.alike[..., number], lessons.worth)
        for number, name in enumerate(LIKENESSES)
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
        self,
        query: Float32[ndarray, " features"],
        rows: Int[ndarray, " k"],
        alike: Float32[ndarray, "k likenesses"],
    ) -> Float32[ndarray, " k"]:
        """Return the scores of some training images, a sum over each image alone."""
        known = (self.known[rows] * self.ranker.asked(query)).sum(axis=1)
        found: Float32[ndarray, " k"] = known + self.ranker.worth.of(alike)
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
