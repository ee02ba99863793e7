"""Laws of the parts of a picture that the words of its caption are of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attribution.analysis.picture_parts import (
    PicturePart,
    box_of,
    caption_words,
    clarity_of,
    located,
    picture_parts,
    without,
)
from attribution.gradients.query_context import QueryContext
from attribution.query import Box, Query, Settings
from attribution.results import Entry, returned
from attribution.workspace.workspace import Workspace
from evaluation.studies.parts import measured, true_boxes
from tests.worlds import EMBEDDED
from tests.worlds.rankings import ranking_of


def hill(row: int, column: int, height: float = 8.0) -> np.ndarray:
    """A change that is little everywhere, and more around one place of 16 x 16."""
    rows, columns = np.mgrid[:16, :16]
    return 0.3 + height * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 6)


def context_of(world: Workspace, row: int, batch_size: int = 64) -> QueryContext:
    example = world.training_set.examples[row]
    image = world.prepared(world.training_set.image(row))
    return QueryContext(world, Query(image, example.caption), Settings(batch_size=batch_size))


def test_the_words_of_a_caption_are_those_that_say_something_and_were_learnt(tiny_world: Workspace) -> None:
    """Law: Parts are looked for by the caption's words that training captions have; values stay whole."""
    found = caption_words("A motorcycle and a stop sign on a road with zebras", tiny_world.training_set)
    assert found == ("motorcycle", "stop sign", "road")
    assert caption_words("and the with", tiny_world.training_set) == ()


@pytest.mark.parametrize(
    ("caption", "word", "left"),
    [
        ("a cat and a stop sign on a road", "stop sign", "a cat and on a road"),
        ("A cat in a category", "cat", "in a category"),
        ("a photo of <v1> on the beach", "v1", "a photo of on the beach"),
        ("strawberry", "strawberry", ""),
    ],
)
def test_a_word_goes_with_its_article(caption: str, word: str, left: str) -> None:
    assert without(caption, word) == left


def test_each_word_is_where_it_alone_changes_the_prediction() -> None:
    found = located({"cat": hill(8, 4), "rocket": hill(9, 12)})
    assert [part.word for part in found] == ["cat", "rocket"]
    for part, (row, column) in zip(found, ((8, 4), (9, 12)), strict=True):
        assert part.box.x0 <= (column + 0.5) / 16 <= part.box.x1
        assert part.box.y0 <= (row + 0.5) / 16 <= part.box.y1
        assert (part.box.x1 - part.box.x0) * (part.box.y1 - part.box.y0) < 0.25


def test_what_is_everywhere_or_nowhere_is_no_part_and_two_words_of_one_place_are_one() -> None:
    """Law: A word that changes the whole picture, or nothing, has no part; of two in one place one has."""
    assert [part.word for part in located({"beach": np.ones((16, 16)), "cat": hill(8, 8)})] == ["cat"]
    assert located({"beach": np.ones((16, 16))}) == ()
    assert located({"cat": np.zeros((16, 16))}) == ()
    both = located({"red": hill(8, 8, 3.0), "car": hill(8, 8, 9.0)})
    assert [part.word for part in both] == ["car"]


def test_a_box_is_around_what_is_connected() -> None:
    change = hill(4, 4)
    change[15, 15] = change.max() * 0.8  # an island
    box = box_of(change)
    assert box is not None
    assert box.x1 < 0.7
    assert box.y1 < 0.7


@pytest.mark.parametrize("batch_size", [5, 64])
def test_parts_do_not_depend_on_the_batch_size_and_lie_on_cells(
    tiny_world: Workspace, batch_size: int
) -> None:
    found = returned(picture_parts(context_of(tiny_world, 43, batch_size)))
    assert found == returned(picture_parts(context_of(tiny_world, 43)))
    height, width = tiny_world.latent_shape[1:]
    assert found
    assert all(part.box == part.box.snapped(height, width) for part in found)


def test_a_caption_that_says_nothing_has_no_parts(tiny_world: Workspace) -> None:
    context = context_of(tiny_world, 3)
    unsaid = context.about(replace(context.query, caption="zebras"))
    assert list(picture_parts(unsaid)) == []


def test_clarity_counts_what_chance_reaches() -> None:
    z = np.linspace(9.0, 0.0, 40)
    lines = [Entry(k + 1, f"i{k}", k, f"i{k}.png", "", float(z[k]), None, float(z[k])) for k in range(40)]
    ranking = ranking_of(lines, details={"z_threshold": 3.0})
    assert clarity_of(ranking) == pytest.approx(float(np.median(z[:10])) / 3.0)
    assert clarity_of(replace(ranking, z=None)) == 0.0


@pytest.mark.slow
def test_parts_of_training_scenes_lie_on_their_objects() -> None:
    """Law: Of a training scene's objects, the parts of their words lie on nearly all."""
    world = Workspace.open(EMBEDDED / "workspace")
    found = []
    for row in (5, 705, 1405, 2105):
        parts = returned(picture_parts(context_of(world, row)))
        found.append(measured(parts, true_boxes(world.training_set.examples[row])))
    inside, overlap = np.concatenate(found)[:, 1], np.concatenate(found)[:, 2]
    assert inside.mean() >= 0.75
    assert overlap.mean() >= 0.4


def test_a_part_is_held_against_the_object_of_its_word() -> None:
    truth = {"cat": Box(0.0, 0.0, 0.5, 0.5), "dog": Box(0.5, 0.5, 1.0, 1.0)}
    parts = (PicturePart("cat", Box(0.0, 0.0, 0.5, 0.25)), PicturePart("beach", Box(0.0, 0.5, 0.5, 1.0)))
    np.testing.assert_allclose(measured(parts, truth), [[1, 1, 0.5, 1], [0, 0, 0, 1]])
