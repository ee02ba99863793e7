"""Laws of panels."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from attribution.errors import MismatchError, SettingsError, TrainingSetError
from attribution.workspace.workspace import Workspace
from evaluation.prompts import Prompt
from evaluation.retraining.panel import (
    Panel,
    choose_prompts,
    drawn_prompts,
    given_prompts,
    make_panel,
)
from tests.evaluation.retraining.conftest import SMALL


def prompt(left: str, right: str) -> Prompt:
    return Prompt(f"{left} and {right}", left, right, "snow", True)


PROMPTS = [prompt(*pair) for pair in ("ab", "bc", "cd", "ae", "ef", "fe", "gh")]


def test_targets_share_no_object_and_controls_show_none_of_theirs() -> None:
    """Law: A panel's targets share no object, and no control shows an object of a target."""
    targets, controls = choose_prompts(PROMPTS, 2, 3)
    assert [p.text for p in targets] == ["a and b", "c and d"]
    assert [p.text for p in controls] == ["e and f", "f and e", "g and h"]


def test_more_targets_than_there_are_objects_for_are_refused() -> None:
    with pytest.raises(SettingsError, match="4 targets"):
        choose_prompts(PROMPTS, 4, 3)


def test_a_panel_made_again_is_the_same(small_panel: Path, tiny_world: Workspace, tmp_path: Path) -> None:
    again = tmp_path / "small"
    made = (again, tiny_world.model, tiny_world.training_set, SMALL)
    list(make_panel(*made, drawn_prompts(tiny_world.training_set.examples, SMALL)))
    assert Panel.read(again).digest == Panel.read(small_panel).digest
    list(make_panel(*made, drawn_prompts(tiny_world.training_set.examples, SMALL)))  # it stands


def test_a_panel_may_be_made_of_prompts_that_are_given(tiny_world: Workspace, tmp_path: Path) -> None:
    """Law: Where a training set does not say what its pictures show, a panel is made of given prompts."""
    (tmp_path / "targets.txt").write_text("a duck\n\n  my dog on a sofa\n")
    (tmp_path / "controls.txt").write_text("an empty street\n")
    chosen = given_prompts(tmp_path / "targets.txt", tmp_path / "controls.txt")
    list(make_panel(tmp_path / "own", tiny_world.model, tiny_world.training_set, SMALL, chosen))
    panel = Panel.read(tmp_path / "own")
    assert [(p.name, p.prompt) for p in panel.pictures] == [
        ("target-00", "a duck"), ("target-01", "my dog on a sofa"), ("control-00", "an empty street"),
    ]  # fmt: skip
    assert not panel.knows_objects
    for path in (tmp_path / "none.txt", tmp_path / "empty.txt"):
        (tmp_path / "empty.txt").touch()
        with pytest.raises(SettingsError, match=r"a prompt a line|write one a line"):
            given_prompts(path, tmp_path / "controls.txt")


def test_a_training_set_that_says_nothing_asks_for_prompts(tiny_world: Workspace) -> None:
    examples = [replace(each, metadata={}) for each in tiny_world.training_set.examples]
    with pytest.raises(TrainingSetError, match="--prompts"):
        drawn_prompts(examples, SMALL)


def test_another_picture_than_the_panels_is_refused(small_panel: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(small_panel, tmp_path / "copy"))
    panel = Panel.read(copy)
    Image.new("RGB", (64, 64)).save(copy / f"{panel.pictures[1].name}.png")
    assert panel.image(panel.pictures[0]).size == (64, 64)
    with pytest.raises(MismatchError, match="not the picture"):
        panel.image(panel.pictures[1])
