"""What a score would be if the picture had nothing to do with the training image.

The best of thousands always beats random images, and images that are easily forgotten would win every
query. So each training image has its own null: its first-order scores under control queries of
captions unrelated to its own. Queries differ in how far they spread all scores, so each query's are
first put on one scale, by their median and median absolute deviation over all images (most of which
have nothing to do with any one query). The `z` of an image counts standard deviations of its null.
Having looked at all images is corrected for by the distribution of the largest z of a control query
(maxT, Westfall & Young 1993), which assumes nothing of the shape of any tail. In the other direction,
of images that would be predicted better once the picture is unlearned, it is the smallest z.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int64
from numpy import ndarray
from pydantic import Field

from attribution.data.words import COMMON, common, words
from attribution.gradients.draw_gradient import QueryGradient
from attribution.gradients.stored import GRADIENTS, OF_MODEL, gradient_space
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.store import Artifact, Made, Shape
from attribution.workspace.workspace import Workspace

LEVEL = 0.05  # chance that any unrelated image stands out in a query
NORMAL = 1.4826  # of a normal distribution, standard deviations per median absolute deviation
BINS = np.arange(-5.0, 15.5, 0.5)  # of a histogram of z: their edges
FIRST = 20  # ranks: how often an image is among them for controls is counted
FEWEST = 30  # unrelated controls that an image must have; with fewer, all controls count


@dataclass(frozen=True)
class Null:
    """Each training image's null, and the level that the largest z of all images rarely passes.

    Attributes:
        mean, deviation: of each image's scaled scores under unrelated controls.
        threshold: an image with a larger z stands out.
        lowest: one with a smaller z stands out in the other direction; each direction has the level alone.
        controls: how many control queries there were.
        unrelated: how many of them count for each image: those that have nothing to do with it.
        first: under how many of those it is among the first `FIRST`.
        histogram: share of all unrelated pairs of image and control with a z in each bin of `BINS`
            (those beyond the ends count in the outermost).
    """

    mean: Float64[ndarray, " n"]
    deviation: Float64[ndarray, " n"]
    threshold: float
    lowest: float
    controls: int
    unrelated: Int64[ndarray, " n"]
    first: Int64[ndarray, " n"]
    histogram: Float64[ndarray, " bins"]

    def z(self, scores: Float64[ndarray, " n"]) -> Float64[ndarray, " n"]:
        """Scores of all training images, in standard deviations of their nulls."""
        return self.standing(scaled(scores), np.arange(len(self.mean)))

    def standing(
        self, on_scale: Float64[ndarray, " k"], rows: Int[ndarray, " k"]
    ) -> Float64[ndarray, " k"]:
        """Scores of some rows that are on the controls' common scale, in standard deviations."""
        z: Float64[ndarray, " k"] = (on_scale - self.mean[rows]) / self.deviation[rows]
        return z


def null_of(
    scores: Float[ndarray, "n controls"], related: Bool[ndarray, "n controls"], level: float = LEVEL
) -> Null:
    """The null from the scores of `n` images under some control queries."""
    return null_on_scale(scaled(scores.astype(np.float64)), related, level)


def null_on_scale(
    scores: Float64[ndarray, "n controls"], related: Bool[ndarray, "n controls"], level: float = LEVEL
) -> Null:
    """The same of scores that are on one scale already.

    Each control's own z leaves it out of the mean and deviation that it is compared with.
    """
    counts = counted(related)
    number = counts.sum(axis=1)
    total = np.where(counts, scores, 0).sum(axis=1)
    squares = np.where(counts, scores**2, 0).sum(axis=1)
    mean = total / number
    deviation = _deviation(total, squares, number)
    rest = number[:, None] - counts
    left_total = total[:, None] - np.where(counts, scores, 0)
    left_squares = squares[:, None] - np.where(counts, scores**2, 0)
    left = (scores - left_total / rest) / _deviation(left_total, left_squares, rest)
    largest = np.where(counts, left, -np.inf).max(axis=0)
    smallest = np.where(counts, left, np.inf).min(axis=0)
    threshold = float(np.quantile(largest, 1 - level, method="higher"))
    lowest = float(np.quantile(smallest, level, method="lower"))
    first = (_among_the_first(scores) & counts).sum(axis=1)
    shares = binned(left[counts])
    return Null(mean, deviation, threshold, lowest, scores.shape[1], number, first, shares)


def _among_the_first(scores: Float64[ndarray, "n controls"]) -> Bool[ndarray, "n controls"]:
    """Whether each image is among the first `FIRST` of each control; all that are equal to the last are."""
    last = max(len(scores) - FIRST, 0)
    among: Bool[ndarray, "n controls"] = scores >= np.partition(scores, last, axis=0)[last]
    return among


def binned(z: Float64[ndarray, " k"]) -> Float64[ndarray, " bins"]:
    """The share of some z that lies in each bin of `BINS`."""
    counted, _ = np.histogram(np.clip(z, BINS[0], BINS[-1]), BINS)
    shares: Float64[ndarray, " bins"] = counted / max(1, len(z))
    return shares


def scaled(scores: Float64[ndarray, "n ..."]) -> Float64[ndarray, "n ..."]:
    """A query's scores of all images (or several queries', by column) on the common scale."""
    centred = scores - np.median(scores, axis=0)
    spread = NORMAL * np.median(np.abs(centred), axis=0)
    on_scale: Float64[ndarray, "n ..."] = centred / np.maximum(spread, np.finfo(np.float64).tiny)
    return on_scale


def counted(related: Bool[ndarray, "n controls"]) -> Bool[ndarray, "n controls"]:
    """Which controls count for which image: the unrelated ones, or all if those are too few."""
    counts = ~related
    counts[counts.sum(axis=1) < FEWEST] = True
    return counts


def _deviation(
    total: Float64[ndarray, "..."], squares: Float64[ndarray, "..."], number: ndarray
) -> Float64[ndarray, "..."]:
    variance = (squares - total**2 / number) / (number - 1)
    deviation: Float64[ndarray, "..."] = np.sqrt(np.maximum(variance, np.finfo(np.float64).tiny))
    return deviation


def related_captions(captions: Sequence[str], controls: Sequence[str]) -> Bool[ndarray, "n controls"]:
    """Whether a training caption and a control's share a word that is not common to most captions."""
    said = [set(words(caption)) for caption in captions]
    usual = common(said)
    asked = [set(words(caption)) - usual for caption in controls]
    vocabulary = {word: k for k, word in enumerate(sorted(set().union(*asked)))}
    of_controls = _incidence(asked, vocabulary)
    of_captions = _incidence([caption - usual for caption in said], vocabulary)
    shared: Bool[ndarray, "n controls"] = of_captions @ of_controls.T > 0
    return shared


def related_to(captions: Sequence[str], rows: Int[ndarray, " controls"]) -> Bool[ndarray, "n controls"]:
    """Whether each training caption shares such a word with those in some rows."""
    return related_captions(captions, [captions[int(row)] for row in rows])


def common_words(workspace: Workspace) -> set[str]:
    """The words that say nothing of what a training image shows: in more than `COMMON` of all captions."""
    return workspace.training_set.words_in_more_than(COMMON)


def _incidence(captions: Sequence[set[str]], vocabulary: dict[str, int]) -> Float[ndarray, "n words"]:
    table = np.zeros((len(captions), max(1, len(vocabulary))), np.float32)
    for row, caption in enumerate(captions):
        for word in caption & vocabulary.keys():
            table[row, vocabulary[word]] = 1
    return table


class ControlSettings(Made):
    """What control queries were asked with."""

    controls: Annotated[int, Field(ge=1, le=1_000_000)]
    unlearning_draws: Annotated[int, Field(ge=1)]
    target_rise: Annotated[float, Field(gt=0)]
    space: str


def _null(workspace: Workspace, artifact: Artifact) -> Null:
    artifact.check_made_with("space", gradient_space(workspace))
    asked, gradients = artifact.settings(ControlSettings).controls, workspace.load(GRADIENTS)
    shapes: dict[str, Shape] = {
        "vectors": (asked, gradients.sketch.dimensions), "units": (asked,), "captions": (asked,),
    }  # fmt: skip
    stored = artifact.tensors("controls.safetensors", shapes)
    captions, rows = workspace.training_set.captions, stored["captions"]
    if rows.is_floating_point() or rows.min() < 0 or rows.max() >= len(captions):
        raise artifact.corrupt("controls.safetensors names captions that there are not")
    queries = stored["vectors"].double().numpy() * stored["units"].numpy()[:, None]
    words = related_to(captions, rows.numpy())
    return null_of(gradients.products(queries), words)


CONTROLS = ArtifactKind("controls", (*OF_MODEL, "probe"), _null)


@dataclass(frozen=True)
class Judgement:
    """How far the scores of all training images stand out of their own nulls.

    Attributes:
        signed: whether a score below nothing means the opposite, so that the other end is of interest too.
    """

    z: Float64[ndarray, " examples"]
    null: Null
    signed: bool = False

    def details(self) -> dict[str, Any]:
        """Return what is written into a result: `by_chance` is the null's histogram."""
        found: dict[str, Any] = {"z_threshold": self.null.threshold, "controls": self.null.controls}
        if self.signed:
            found["z_lowest"] = self.null.lowest
        return found | {"by_chance": [round(float(share), 8) for share in self.null.histogram]}


def judgement(workspace: Workspace, gradient: QueryGradient, target_rise: float) -> Judgement | None:
    """Judge a query by its gradient.

    None where there are too few control queries, or none that were asked with as many draws and as far.
    """
    if not workspace.has(CONTROLS):
        return None
    asked = workspace.artifact(CONTROLS).settings(ControlSettings)
    alike = (asked.unlearning_draws, asked.target_rise) == (gradient.draws, target_rise)
    if not alike or asked.controls < FEWEST:
        return None
    null = workspace.load(CONTROLS)
    rows = np.arange(len(workspace.training_set))
    predicted = workspace.load(GRADIENTS).predict(gradient.mean, gradient.loss, target_rise, rows)
    return Judgement(null.z(predicted.values), null, signed=True)
