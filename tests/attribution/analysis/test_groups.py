"""Laws of influence by group."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.analysis import groups
from attribution.analysis.groups import columns_of, grouped, wilson
from attribution.data.training_set import values_of
from attribution.errors import SettingsError
from attribution.workspace.workspace import Workspace
from tests.worlds.facts import described, ranked
from tests.worlds.strips import ranking


def test_groups_add_up_and_are_counted_by_every_value_an_image_has(tiny_world: Workspace) -> None:
    """Law: Groups add up to the whole, and an image counts under every value that it has."""
    training_set = tiny_world.training_set
    assert {"collection", "objects", "ground"} <= set(columns_of(training_set))
    assert "id" not in columns_of(training_set)
    whole = ranking(list(range(len(training_set))), stderr=0.01)
    by_collection = grouped(whole, training_set, "collection")
    assert sum(group.images for group in by_collection) == len(training_set)
    assert sum(g.summed for g in by_collection) == pytest.approx(sum(e.score for e in whole.entries))
    assert sum(group.first for group in by_collection) == 20
    for group in by_collection:
        assert group.summed_low <= group.summed <= group.summed_high
        assert group.share_low <= group.share <= group.share_high
    objects = grouped(whole, training_set, "objects")
    values = [value for e in training_set.examples for value in values_of(e, "objects")]
    assert {g.value: g.images for g in objects} == {v: values.count(v) for v in values}


def test_groups_are_the_same_twice_and_an_unknown_column_is_a_named_error(tiny_world: Workspace) -> None:
    some = ranking(list(range(30)), stderr=0.1)
    assert grouped(some, tiny_world.training_set, "ground") == grouped(
        some, tiny_world.training_set, "ground"
    )
    with pytest.raises(SettingsError, match="choose from"):
        grouped(some, tiny_world.training_set, "licence of nobody")


def test_larger_errors_widen_the_interval_of_a_sum(tiny_world: Workspace) -> None:
    """Law: Larger errors of the scores widen the interval of a group's sum."""
    narrow, wide = (
        grouped(ranking(list(range(60)), stderr=error), tiny_world.training_set, "collection")
        for error in (0.0, 5.0)
    )
    width = {g.value: g.summed_high - g.summed_low for g in narrow}
    assert all(g.summed_high - g.summed_low > width[g.value] for g in wide)


def test_the_interval_of_very_many_images_is_what_resampling_comes_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Law: A group's interval by its variance is that of resampling, of many images."""
    training_set = described(["a"] * 3000, [{"half": "ab"[row % 2]} for row in range(3000)])
    whole = ranked(training_set, range(3000), stderr=np.full(3000, 0.9))
    resampled = grouped(whole, training_set, "half")
    monkeypatch.setattr(groups, "RESAMPLED_UP_TO", 2999)
    for one, other in zip(resampled, grouped(whole, training_set, "half"), strict=True):
        width = one.summed_high - one.summed_low
        assert (other.value, other.summed) == (one.value, one.summed)
        assert other.summed_low == pytest.approx(one.summed_low, abs=0.06 * width)
        assert other.summed_high == pytest.approx(one.summed_high, abs=0.06 * width)
        assert other.summed_low != one.summed_low


def test_wilsons_interval_has_known_values() -> None:
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)


def test_what_chance_gives_is_the_share_of_the_whole_training_set(tiny_world: Workspace) -> None:
    """Law: The baseline of a group is its share of the whole training set, however few were ranked."""
    training_set = tiny_world.training_set
    everyone = [values_of(example, "ground") for example in training_set.examples]
    picked = [row for row, values in enumerate(everyone) if values == everyone[0]]
    assert 1 < len(picked) < len(everyone)
    (group,) = grouped(ranking(picked), training_set, "ground")
    assert group.share == 1
    assert group.base == len(picked) / len(everyone)
