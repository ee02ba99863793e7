"""Laws of the true answer, where somebody knows it of a model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from app.runs.truth import Truth, truth_of
from attribution.errors import WorkspaceError
from attribution.workspace.workspace import Workspace
from tests.worlds import TINY
from tests.worlds.strips import ranking


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """The tiny world's, with nothing beside it yet."""
    config = Workspace.open(TINY / "workspace").config
    folder = Path(shutil.copytree(TINY / "workspace", tmp_path / "workspace"))
    return Workspace(folder, config, training_set=Workspace.open(TINY / "workspace").training_set)


def known(workspace: Workspace, value: object) -> Truth | None:
    (workspace.folder.parent / "truth.json").write_text(json.dumps(value), encoding="utf-8")
    return truth_of(workspace)


def test_where_nothing_is_known_there_is_no_truth(workspace: Workspace) -> None:
    assert truth_of(workspace) is None


def test_the_truth_is_read_beside_the_workspace(workspace: Workspace) -> None:
    ids = list(workspace.training_set.ids[:2])
    assert known(workspace, {"about": "taught it", "images": ids}) == Truth("taught it", frozenset(ids))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"about": "taught it", "images": ["none-such"]}, "names 'none-such', which is no id"),
        ({"about": "taught it", "images": []}, "names no images"),
        ({"about": "taught it"}, "has no 'images'"),
        ({"about": "taught it", "images": [7]}, r"images\.0 is 7"),
        ({"about": "taught it", "images": [], "more": 1}, "unknown 'more'"),
    ],
)
def test_a_truth_that_cannot_be_is_named(workspace: Workspace, value: object, words: str) -> None:
    """Law: A file of the truth that names no images of the training set is refused in one line."""
    with pytest.raises(WorkspaceError, match=words) as refused:
        known(workspace, value)
    assert "\n" not in str(refused.value)


def test_a_ranking_is_held_against_the_truth_among_its_first_ten() -> None:
    truth = Truth("taught it", frozenset({"train-00003", "train-00040"}))
    order = [3, *range(10, 60)]
    assert truth.found_by(ranking(order)) == "1 of 2 among the first 10"
    assert truth.found_by(ranking([*range(10, 60)])) == "0 of 2 among the first 10"
