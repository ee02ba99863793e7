"""Laws of what is removed."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.errors import SettingsError
from attribution.workspace.workspace import Workspace
from evaluation.prompts import object_names
from evaluation.retraining.panel import Panel
from evaluation.retraining.unions import oracle_ranking, random_rows, union


def test_a_union_has_its_size_however_much_rankings_share() -> None:
    """Law: Unions of one K are of one size, and no ranking gives fewer than its first K."""
    apart = [np.array([1, 2, 3, 4]), np.array([5, 6, 7, 8])]
    shared = [np.array([1, 2, 3, 4]), np.array([1, 2, 9, 8])]
    assert union(apart, 4).tolist() == [1, 2, 5, 6]
    assert union(shared, 4).tolist() == [1, 2, 3, 9]
    with pytest.raises(SettingsError, match="have 6 images, fewer than 7"):
        union(shared, 7)


def test_a_random_removal_is_a_function_of_its_size_and_number() -> None:
    assert random_rows(50, 20, 0).tolist() == random_rows(50, 20, 0).tolist()
    assert random_rows(50, 20, 0).tolist() != random_rows(50, 20, 1).tolist()
    assert len(set(random_rows(50, 20, 0).tolist())) == 20


def test_the_oracle_ranks_the_scenes_that_show_the_objects(tiny_world: Workspace, panel: Panel) -> None:
    picture, training_set = panel.pictures[0], tiny_world.training_set
    for side, wanted in (("whole", {picture.left, picture.right}), ("left", {picture.left})):
        ranked = oracle_ranking(picture, training_set, side)
        shown = [len(wanted & set(object_names(training_set.examples[row]))) for row in ranked]
        everywhere = [bool(wanted & set(object_names(e))) for e in training_set.examples]
        assert shown == sorted(shown, reverse=True)
        assert min(shown) == 1
        assert len(shown) == sum(everywhere)
