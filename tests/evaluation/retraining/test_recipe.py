"""Laws of recipes."""

from __future__ import annotations

from pathlib import Path

import pytest

from attribution.errors import ResultError, SettingsError
from evaluation.retraining.recipe import Recipe
from tests.evaluation.retraining.conftest import write_recipe
from tests.worlds import ROOT

WHOLE = ["train", "{left_out}", "{seed}", "{model}"]


@pytest.mark.parametrize(
    ("train", "judge", "told"),
    [
        (["train", "{left_out}", "{model}"], [], "lacks {seed}"),
        ([*WHOLE, "{modle}"], [], "asks for {modle}"),
        (WHOLE, ["judge", "{model}"], "asks for {model}"),
        ([*WHOLE, "}"], [], "braces do not match"),
    ],
)
def test_a_command_that_cannot_be_told_what_to_do_is_refused(
    train: list[str], judge: list[str], told: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=told):
        Recipe.read(write_recipe(tmp_path / "r.toml", train, judge=judge))


def test_a_recipe_that_is_not_there_or_no_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no recipe"):
        Recipe.read(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("name =")
    with pytest.raises(SettingsError, match="not TOML"):
        Recipe.read(tmp_path / "bad.toml")
    (tmp_path / "poor.toml").write_text('name = "x"')
    with pytest.raises(ResultError, match="dataset"):
        Recipe.read(tmp_path / "poor.toml")


def test_what_does_not_change_the_model_does_not_change_a_recipes_digest(tmp_path: Path) -> None:
    """Law: A recipe's name and judge do not change by what its models are known; its command does."""
    plain = Recipe.read(write_recipe(tmp_path / "a.toml", WHOLE))
    named = Recipe.read(write_recipe(tmp_path / "b.toml", WHOLE, judge=["x", "{pictures}", "{verdicts}"]))
    newer = Recipe.read(write_recipe(tmp_path / "c.toml", WHOLE, version=2))
    other = Recipe.read(write_recipe(tmp_path / "d.toml", [*WHOLE, "--fast"]))
    assert plain.digest == named.digest
    assert len({plain.digest, newer.digest, other.digest}) == 3


def test_the_recipes_of_the_embedded_world_can_be_told_everything() -> None:
    paths = sorted((ROOT / "evaluation" / "retraining" / "recipes").glob("*.toml"))
    assert len({Recipe.read(path).digest for path in paths}) == len(paths) >= 3
    for path in paths:
        recipe = Recipe.read(path)
        assert recipe.name == path.stem
        command = recipe.training_command(Path("ids"), 3, Path("m"), Path("c"), "cpu")
        assert {"ids", "3", "m", "c"} < set(command)
        assert not any("{" in word for word in [*command, *recipe.judging_command(Path("p"), Path("v"))])
