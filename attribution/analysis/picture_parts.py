"""Where in a picture the words of its caption are.

A word is where the denoiser predicts otherwise once the word is taken out of the caption. The squared
change, in the mean over noise, is how much the word and each place of the picture say of each other (Kong
et al. 2024, arXiv 2310.07972: conditional mutual information by place). It asks nothing of a model but to
predict, so it is had of every family. Cross-attention, where there is some, points to less: see
docs/EVALUATION.md.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy import ndarray
from scipy import ndimage
from torch import Tensor

from attribution.analysis.known_words import known_words, says_something
from attribution.data.training_set import TrainingSet
from attribution.data.words import words
from attribution.gradients.query_context import QueryContext
from attribution.models.base import DiffusionModel, KnowsCaptions
from attribution.models.draws import Draws
from attribution.query import Box
from attribution.results import Progress, Ranking
from attribution.rng import gaussian

MOST_WORDS = 8  # of a caption that are looked for, the first
DRAWS = 24  # of a picture, at which the predictions are compared
LOW, HIGH = 0.05, 0.6  # of the schedule: with more noise no place is anywhere yet
BLUR = 1.0  # latent cells: the standard deviation of what smooths the change
OTHERS = 0.75  # of what another word changes at a place: it is that word's as well
EDGE = 0.35  # of the largest change: a place with less is outside
TOGETHER = 0.55  # of what a word changes: if less is in its box, the word is of no one place
WIDEST = 0.6  # of the picture's area: what is wider is everywhere, a ground or a style
CLEAR = 10  # ranks whose z says how clearly anything stands out
SAME = 0.5  # of the smaller box that lies in the larger: two words are of one part
ARTICLE = r"\b(?:an?|the) "

Change = Float64[ndarray, "h w"]


@dataclass(frozen=True)
class PicturePart:
    """A place in a picture and the words that it is of.

    Attributes:
        word: as the caption has it, or a few that belong together.
        box: in fractions of the picture.
    """

    word: str
    box: Box


def picture_parts(context: QueryContext) -> Generator[Progress, None, tuple[PicturePart, ...]]:
    """Yield progress; return the parts of a query's picture, in the order of the caption.

    Nothing is found of a model that can be told some captions alone, or of a caption without such words.
    The query's picture must be the model's square already.
    """
    model, caption = context.workspace.model, context.query.caption
    named = caption_words(caption, context.workspace.training_set)
    if isinstance(model, KnowsCaptions) or not named or context.conditioning.is_nothing:
        return ()
    stage, changes = "finding the parts", dict[str, Change]()
    yield Progress("", stage, 0, len(named) + 1)
    told = _predicted(context, caption)
    for done, word in enumerate(named, 1):
        yield Progress("", stage, done, len(named) + 1)
        changes[word] = change_by_place(told, _predicted(context, without(caption, word)))
    return located(changes)


def located(changes: Mapping[str, Change]) -> tuple[PicturePart, ...]:
    """The parts that some words are of, given where each changes the prediction."""
    found = []
    for word, change in changes.items():
        others = [other for name, other in changes.items() if name != word]
        own = np.maximum(change - OTHERS * np.max(others, axis=0), 0) if others else change
        box = box_of(own)
        if box is not None and _is_a_place(own, box):
            found.append((PicturePart(word, box), float(own.max())))
    return _apart(found)


def caption_words(caption: str, training_set: TrainingSet) -> tuple[str, ...]:
    """The words of a caption that say something and that training captions have, in their order.

    Several that are one value of the metadata, such as "stop sign", stay together.
    """
    left, found = caption.lower(), list[tuple[int, str]]()
    for value in _values_of_several_words(training_set):
        place = re.search(_as_written(value), left)
        if place is not None:
            found.append((place.start(), value))
            left = left[: place.start()] + " " * len(place[0]) + left[place.end() :]
    for word in dict.fromkeys(words(left)):
        place = re.search(_as_written(word), left)
        if place is not None and says_something(word) and training_set.has_word(word):
            found.append((place.start(), word))
    return tuple(word for _, word in sorted(found))[:MOST_WORDS]


def without(caption: str, word: str) -> str:
    """A caption without a word and its article, or the marks of a new word: `<v1>`."""
    bare = re.sub(rf"(?:{ARTICLE})?<?{_as_written(word)}>?", " ", caption, flags=re.IGNORECASE)
    return " ".join(bare.split())


def change_by_place(told: Float[Tensor, "draws c h w"], untold: Float[Tensor, "draws c h w"]) -> Change:
    """How far two predictions are apart at each place, smoothed; each draw counts as much as any other."""
    squared = (told - untold).double().square().mean(dim=1)
    each = squared.mean(dim=(1, 2), keepdim=True).clamp_min(torch.finfo(squared.dtype).tiny)
    smooth: Change = ndimage.gaussian_filter((squared / each).mean(dim=0).cpu().numpy(), BLUR)
    return smooth


def box_of(change: Change) -> Box | None:
    """The box around the connected places that change the most; None where nothing changes."""
    if change.max() <= 0:
        return None
    labels, count = ndimage.label(change >= EDGE * change.max())
    sums = ndimage.sum(change, labels, np.arange(1, count + 1))
    rows, columns = ndimage.find_objects(labels)[int(np.argmax(sums))]
    height, width = change.shape
    return Box(columns.start / width, rows.start / height, columns.stop / width, rows.stop / height)


def clarity_of(ranking: Ranking) -> float:
    """How clearly a part's first images stand out: their median z, in units of what chance reaches.

    At most 1 where chance explains them, and 0 where nothing is known of chance.
    """
    threshold = ranking.details.get("z_threshold")
    if ranking.z is None or threshold is None:
        return 0.0
    return max(float(np.median(ranking.z[:CLEAR])) / float(threshold), 0.0)


def _is_a_place(own: Change, box: Box) -> bool:
    """Whether what a word changes lies in a box, and the box is not all of the picture."""
    inside = float(own[box.mask(*own.shape)].sum())
    return _area(box) <= WIDEST and inside >= TOGETHER * float(own.sum())


def _predicted(context: QueryContext, caption: str) -> Float[Tensor, "draws c h w"]:
    model = context.workspace.model
    batch = _draws(model, context.settings.seed).of(context.latent, model.encode_captions([caption]))
    size = context.batch_size
    return torch.cat([model.predict(model.weights, part) for part in batch.parts(size)])


def _draws(model: DiffusionModel, seed: int) -> Draws:
    """At the middles of equal stretches of the schedule, as far as they are of use."""
    places = LOW + (HIGH - LOW) * (torch.arange(DRAWS) + 0.5) / DRAWS
    noise = [gaussian(seed, "parts", "query", k, model.latent_shape) for k in range(DRAWS)]
    return Draws((places * model.num_train_timesteps).long(), torch.stack(noise))


@lru_cache(maxsize=4)
def _values_of_several_words(training_set: TrainingSet) -> tuple[str, ...]:
    """The longest first, so that a value within another is not taken for it."""
    known = {
        re.sub(f"^{ARTICLE}", "", each.word.lower())
        for column in known_words(training_set).values()
        for each in column
    }
    return tuple(sorted((value for value in known if " " in value), key=lambda value: (-len(value), value)))


def _as_written(word: str) -> str:
    """A pattern of a word; scripts without spaces have no edges of words."""
    return rf"\b{re.escape(word)}\b" if word.isascii() else re.escape(word)


def _apart(found: list[tuple[PicturePart, float]]) -> tuple[PicturePart, ...]:
    """Of two parts that lie in each other, the one whose word changes more at one place."""
    kept: list[PicturePart] = []
    for part, _ in sorted(found, key=lambda each: -each[1]):
        if all(_shared(part.box, other.box) < SAME for other in kept):
            kept.append(part)
    return tuple(part for part, _ in found if part in kept)


def _shared(one: Box, other: Box) -> float:
    """The share of the smaller box that lies in the larger."""
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return max(width, 0.0) * max(height, 0.0) / min(_area(one), _area(other))


def _area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)
