"""The training set as a library: what is found in it, page by page, and sets of it that are like another.

Words and columns say which images are found; a picture or a text, by an embedding, in which order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64
from numpy import ndarray
from PIL import Image

from attribution.data.catalogue import Catalogue, Filter
from attribution.data.words import words
from attribution.encoders.base import encoder_readers
from attribution.errors import SettingsError
from attribution.rng import generator
from attribution.workspace.cache import Cache
from attribution.workspace.embeddings import Embedding, embedding
from attribution.workspace.workspace import Workspace

FARTHEST = 4_800  # places of an order by likeness that are listed: beyond them it says nothing


@dataclass(frozen=True)
class Order:
    """By likeness to something, in one embedding, rather than as they come in the training set."""

    embedding: Embedding
    vector: Float[ndarray, " d"]


@dataclass(frozen=True)
class Search:
    """What is looked for.

    Attributes:
        words: of captions or metadata, all of which an image must have.
        filters: values of columns, see `Catalogue.chosen`.
        order: None for the training set's own.
    """

    words: str = ""
    filters: tuple[Filter, ...] = ()
    order: Order | None = None


@dataclass(frozen=True)
class Page:
    """Some of what was found.

    Attributes:
        rows: of its images, in order.
        cosines: how like each is; None where they come in the training set's own order.
        found: how many images were found in all.
        listed: how many of them can be listed.
        chosen: which rows were found.
    """

    rows: Int64[ndarray, " shown"]
    cosines: Float64[ndarray, " shown"] | None
    found: int
    listed: int
    chosen: Bool[ndarray, " examples"]


def catalogue_of(workspace: Workspace) -> Catalogue:
    """The workspace's catalogue, made when it is first asked for."""
    remembered: Cache[Catalogue] = workspace.cache("catalogue", 1)
    found = remembered.get("")
    if found is None:
        found = Catalogue.of(workspace.training_set)
        remembered.put("", found)
    return found


def page_of(workspace: Workspace, search: Search, start: int, count: int) -> Page:
    """Up to `count` of the images that were found, from the one at `start` (0 is the first).

    Raises:
        SettingsError: a filter names what there is not.
    """
    chosen = catalogue_of(workspace).chosen(search.words, search.filters)
    found = int(chosen.sum())
    if search.order is None:
        return Page(np.flatnonzero(chosen)[start : start + count], None, found, found, chosen)
    listed = min(found, FARTHEST)
    neighbours, vector = search.order.embedding.neighbours, search.order.vector
    among = None if found == len(chosen) else chosen
    rows = neighbours.search(vector, min(start + count, listed), among)[start:]
    return Page(rows, neighbours.scores(vector, rows), found, listed, chosen)


def spaces(workspace: Workspace) -> tuple[str, ...]:
    """The encoders in whose embedding of pictures the workspace can look for a picture."""
    return tuple(name for name in encoder_readers() if workspace.has(embedding(name)))


def text_spaces(workspace: Workspace) -> tuple[tuple[str, bool], ...]:
    """(encoder, whether captions) of the embeddings in which it can look for what a text says."""
    speaking = [name for name, reader in encoder_readers().items() if reader.has_text]
    both = [(name, captions) for name in speaking for captions in (False, True)]
    return tuple(each for each in both if workspace.has(embedding(*each)))


def like_text(workspace: Workspace, encoder: str, captions: bool, text: str) -> Order:
    """By what a text says: pictures that show it, or captions that say it."""
    vectors = workspace.encoder(encoder).captions([text])
    space = workspace.load(embedding(encoder, captions))
    return Order(space, vectors[0] if captions else space.comparable(vectors)[0])


def like_picture(workspace: Workspace, encoder: str, picture: Image.Image) -> Order:
    """By likeness to a picture, which is looked at as the model sees it."""
    space = workspace.load(embedding(encoder))
    vectors = workspace.encoder(encoder).images([workspace.prepared(picture)])
    return Order(space, space.comparable(vectors)[0])


def like_row(workspace: Workspace, encoder: str, row: int) -> Order:
    """By likeness to a training image, which comes first."""
    space = workspace.load(embedding(encoder))
    return Order(space, space.neighbours.vector(row))


def random_rows(
    chosen: Bool[ndarray, " examples"], count: int, seed: int, purpose: str
) -> Int64[ndarray, " k"]:
    """Up to `count` of the chosen rows, drawn by the seed, ascending."""
    rows = np.flatnonzero(chosen)
    drawn = generator(seed, purpose).permutation(len(rows))[:count]
    return np.sort(rows[drawn])


def matched_rows(
    workspace: Workspace, rows: Sequence[int], outside: Bool[ndarray, " examples"], seed: int
) -> tuple[int, ...]:
    """For each of some rows another, of those `outside`, whose caption shares most of its words.

    Rare words count more (by their idf); of equals the seed takes one, and none is taken twice.

    Raises:
        SettingsError: there are fewer outside than rows.
    """
    if int(outside.sum()) < len(rows):
        raise SettingsError(
            f"{len(rows):,} images need as many others to be compared with, and there are "
            f"{int(outside.sum()):,}: choose fewer"
        )
    captions, total = catalogue_of(workspace).captions, len(outside)
    order = generator(seed, "matched").random(total) * 1e-6  # less than any word counts
    free, taken = outside.copy(), []
    for row in rows:
        shared = np.where(free, order, -np.inf)
        for word in dict.fromkeys(words(workspace.training_set.captions[row])):
            own = captions.of(word)
            shared[own] += np.log1p(total / len(own))
        taken.append(int(shared.argmax()))
        free[taken[-1]] = False
    return tuple(taken)
