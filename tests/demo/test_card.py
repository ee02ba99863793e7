"""Laws of the model card."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from demo.card import model_card
from demo.world import World
from tests.worlds import EMBEDDED, GLYPHS

WORLD = World("demo", EMBEDDED, GLYPHS)
FIGURES = json.loads((WORLD.model_folder / "figures.json").read_text(encoding="utf-8"))


def test_the_shipped_card_is_written_from_the_shipped_figures() -> None:
    shipped = (WORLD.model_folder / "README.md").read_text(encoding="utf-8")
    assert model_card(WORLD, FIGURES) == shipped


def test_a_card_without_training_notes_goes_straight_on_to_its_figures(tmp_path: Path) -> None:
    (tmp_path / "scenes").symlink_to(WORLD.scene_folder)
    card = model_card(replace(WORLD, folder=tmp_path), FIGURES)
    assert "they are what attribution is compared with.\n\n## Figures\n" in card


def test_a_missing_figure_is_refused() -> None:
    with pytest.raises(UndefinedError):
        model_card(WORLD, {name: value for name, value in FIGURES.items() if name != "clip"})
