"""Laws of panels."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from attribution.errors import MismatchError, SettingsError
from attribution.workspace.workspace import Workspace
from evaluation.prompts import Prompt
from evaluation.retraining.panel import Panel, choose_prompts, make_panel
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
    list(make_panel(again, tiny_world.model, tiny_world.training_set, SMALL))
    assert Panel.read(again).digest == Panel.read(small_panel).digest
    list(make_panel(again, tiny_world.model, tiny_world.training_set, SMALL))  # it stands


def test_another_picture_than_the_panels_is_refused(small_panel: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(small_panel, tmp_path / "copy"))
    panel = Panel.read(copy)
    Image.new("RGB", (64, 64)).save(copy / f"{panel.pictures[1].name}.png")
    assert panel.image(panel.pictures[0]).size == (64, 64)
    with pytest.raises(MismatchError, match="not the picture"):
        panel.image(panel.pictures[1])
