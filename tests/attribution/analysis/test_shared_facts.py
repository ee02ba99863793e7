"""Laws of what the first images of a ranking have in common."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from attribution.analysis.groups import wilson
from attribution.analysis.shared_facts import CAPTION, Everywhere, Fact, facts_of, most_shared
from attribution.data.index import load_scan, save_scan
from attribution.workspace.workspace import Workspace
from tests.worlds.facts import ALL, FEW, described, few_share, ranked
from tests.worlds.tabled import scanned


def test_what_the_first_share_is_found_beside_its_share_of_the_whole_training_set() -> None:
    """Law: What the first images share is held against the whole training set, however few were ranked."""
    training_set = few_share({"artist": "Ann"})
    order = [*range(15), *range(50, 60)]  # 15 of hers among the first 20, and few were ranked at all
    shared = most_shared(ranked(training_set, order))
    assert shared is not None
    assert shared.fact == Fact("artist", "Ann")
    assert (shared.first, shared.top, shared.base) == (15, 20, FEW / ALL)
    assert (shared.low, shared.high) == wilson(15, 20)


def test_a_random_order_shares_something_in_one_of_twenty_at_most(tiny_world: Workspace) -> None:
    """Law: Of random orders, at most one in twenty is said to have something in common."""
    training_set, rng = tiny_world.training_set, np.random.default_rng(0)
    orders = [rng.permutation(len(training_set)) for _ in range(300)]
    found = [most_shared(ranked(training_set, list(order))) for order in orders]
    assert sum(each is not None for each in found) <= 0.05 * len(orders)


def test_without_metadata_the_words_of_captions_are_shared() -> None:
    said = ["a stop sign in the rain", "a dog in the rain", "a cow in the rain", "a cat in the rain"]
    training_set = described([said[0] if row % 8 == 0 else said[1 + row % 3] for row in range(200)])
    shared = most_shared(ranked(training_set, [*range(0, 160, 8), *range(1, 8)]))
    assert shared is not None
    # Not "stop", which is as rare: two words say more. Not "a stop", for "a" is in every caption.
    assert shared.fact == Fact(CAPTION, "stop sign")


def test_a_column_comes_before_the_words_that_say_the_same() -> None:
    shared = most_shared(ranked(few_share({"things": ["stop sign"]}, "a stop sign"), list(range(40))))
    assert shared is not None
    assert shared.fact == Fact("things", "stop sign")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_images_share_nothing(count: int) -> None:
    assert most_shared(ranked(few_share({"artist": "Ann"}), list(range(count)))) is None


def test_an_empty_column_is_nothing_that_images_share() -> None:
    training_set = described(
        ["" for _ in range(100)],
        [{"style": None if row < 20 else f"style {row % 9}"} for row in range(100)],
    )
    assert most_shared(ranked(training_set, list(range(100)))) is None
    assert not any(fact == Fact("style", "none") for fact in facts_of(training_set, 0))


def test_facts_are_counted_as_looking_at_every_image_would(tiny_world: Workspace, tmp_path: Path) -> None:
    """Law: Facts are counted without looking at an image, and are those that looking at every one finds."""
    save_scan(scanned(tmp_path / "set", 40), tmp_path / "index.json")
    sets = (
        tiny_world.training_set,
        load_scan(tmp_path / "index.json", tmp_path / "set"),
        few_share({"things": ["stop sign", "none"]}, "a stop sign by a stop sign"),
        described(["", "a"]),
    )
    for training_set in sets:
        rows = range(len(training_set))
        slowly = Counter(fact for row in rows for fact in facts_of(training_set, row))
        found = Everywhere.of(training_set)
        assert found.facts == len(slowly)
        assert {fact: found.images(fact) for fact in slowly} == slowly


def test_a_column_without_a_name_is_not_taken_for_words_of_captions() -> None:
    training_set = few_share({"": "7"})
    assert all(fact.column != CAPTION or fact.value.isdigit() for fact in facts_of(training_set, 3))
    assert most_shared(ranked(training_set, list(range(20)))) is None
