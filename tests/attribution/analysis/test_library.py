"""Laws of the training set as a library."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.analysis.library import (
    Search,
    catalogue_of,
    like_picture,
    like_row,
    like_text,
    matched_rows,
    page_of,
    random_rows,
    spaces,
    text_spaces,
)
from attribution.data.catalogue import Filter
from attribution.data.words import words
from attribution.errors import SettingsError
from attribution.workspace.workspace import Workspace

ON_SNOW = (Filter("ground", "snow"),)


def test_pages_follow_each_other_and_leave_nothing_out(tiny_world: Workspace) -> None:
    """Law: The pages of the library, one after the other, are all that was found, each image once."""
    for search in (
        Search(),
        Search("a"),
        Search(filters=ON_SNOW),
        Search("a", ON_SNOW, like_row(tiny_world, "clip", 5)),
        Search(order=like_row(tiny_world, "pixel", 5)),
    ):
        first = page_of(tiny_world, search, 0, 7)
        pages = [page_of(tiny_world, search, start, 7) for start in range(0, first.found, 7)]
        seen = np.concatenate([page.rows for page in pages])
        assert sorted(seen.tolist()) == np.flatnonzero(first.chosen).tolist()
        assert page_of(tiny_world, search, first.found, 7).rows.tolist() == []


def test_an_order_among_the_filtered_is_that_of_all_without_the_others(tiny_world: Workspace) -> None:
    order = like_row(tiny_world, "dino", 11)
    every = page_of(tiny_world, Search(order=order), 0, 10**6)
    some = page_of(tiny_world, Search(filters=ON_SNOW, order=order), 0, 10**6)
    assert some.rows.tolist() == [row for row in every.rows.tolist() if some.chosen[row]]
    assert every.rows[0] == 11
    assert every.cosines is not None
    assert (np.diff(every.cosines) <= 0).all()


def test_a_training_image_brought_as_a_file_finds_itself(tiny_world: Workspace) -> None:
    picture = tiny_world.training_set.image(8)
    for space in spaces(tiny_world):
        order = like_picture(tiny_world, space, picture)
        assert page_of(tiny_world, Search(order=order), 0, 1).rows.tolist() == [8]


def test_a_text_finds_the_captions_that_say_it(tiny_world: Workspace) -> None:
    assert set(text_spaces(tiny_world)) == {("clip", False), ("clip", True)}
    caption = tiny_world.training_set.captions[4]
    order = like_text(tiny_world, "clip", True, caption)
    first = page_of(tiny_world, Search(order=order), 0, 1).rows[0]
    assert tiny_world.training_set.captions[first] == caption
    assert (
        page_of(tiny_world, Search(order=like_text(tiny_world, "clip", False, caption)), 0, 5).rows.size
        == 5
    )


def test_each_matched_image_shares_as_many_words_as_any_that_was_free(tiny_world: Workspace) -> None:
    captions = tiny_world.training_set.captions
    chosen = catalogue_of(tiny_world).chosen("rocket")
    rows = np.flatnonzero(chosen).tolist()[:3]
    matched = matched_rows(tiny_world, rows, ~chosen, seed=0)
    assert len(set(matched)) == len(rows)
    assert not chosen[list(matched)].any()
    assert matched == matched_rows(tiny_world, rows, ~chosen, seed=0)
    for row, other in zip(rows, matched, strict=True):
        assert set(words(captions[row])) & set(words(captions[other])) - {"a", "on", "the"}
    few = np.zeros(len(chosen), bool)
    few[:2] = True
    with pytest.raises(SettingsError, match="choose fewer"):
        matched_rows(tiny_world, rows, few, seed=0)


def test_random_rows_are_of_the_chosen_and_the_seed_s(tiny_world: Workspace) -> None:
    chosen = catalogue_of(tiny_world).chosen("a")
    drawn = random_rows(chosen, 5, 1, "test")
    assert len(set(drawn.tolist())) == 5
    assert chosen[drawn].all()
    assert drawn.tolist() == random_rows(chosen, 5, 1, "test").tolist()
    assert drawn.tolist() != random_rows(chosen, 5, 2, "test").tolist()
    assert len(random_rows(chosen, 10**6, 1, "test")) == chosen.sum()
