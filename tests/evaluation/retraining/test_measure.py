"""Laws of what is measured of a retrained model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from attribution.models.losses import example_losses
from attribution.workspace.workspace import Workspace
from evaluation.retraining.job import Plan
from evaluation.retraining.left_out import LeftOut
from evaluation.retraining.measure import likeness, measured, panel_losses, verdicts
from evaluation.retraining.panel import REGIONS, Panel
from evaluation.retraining.recipe import Recipe
from evaluation.retraining.records import Records
from tests.evaluation.retraining.conftest import write_recipe
from tests.worlds import TINY

JUDGE = """
import json, pathlib, sys
folder, out = map(pathlib.Path, sys.argv[1:3])
said = {"left": {"bus": 0.75, "cat": 0.25}, "colour": {"red": 1.0}}
out.write_text(json.dumps({path.name: said for path in folder.glob("*.png")}))
"""


def test_the_whole_loss_is_that_of_a_training_image(tiny_world: Workspace, panel: Panel) -> None:
    """Law: A panel picture's loss is a training image's loss at the same draws."""
    model = tiny_world.model
    found = panel_losses(model, panel)
    latents = model.encode_images([panel.image(picture) for picture in panel.pictures])
    captions = model.encode_captions([picture.prompt for picture in panel.pictures])
    names = [picture.name for picture in panel.pictures]
    whole = example_losses(model, model.weights, latents, captions, names, panel.probe).mean(axis=1)
    assert found.shape == (len(names), len(REGIONS), panel.facts.noises)
    assert np.allclose(found[:, 0], whole, rtol=1e-5)
    assert not np.allclose(found[:, 1], found[:, 2])


def test_the_panels_own_model_makes_the_same_pictures(
    tiny_world: Workspace, panel: Panel, plan_of: Callable[..., Path], tmp_path: Path
) -> None:
    """Law: The model that a panel is of makes its pictures again, pixel for pixel."""
    plan = Plan.read(plan_of((1, 2)))
    record, sheet = measured(plan, plan.jobs[0], tiny_world.model, {"cpu_seconds": 5})
    assert record.likeness["mse"] == [0.0] * len(panel.pictures)
    assert sheet is not None
    kept = Records(tmp_path / "records")
    kept.write(record, sheet)
    assert kept.of(plan) == [(plan.jobs[0], record)]
    assert LeftOut(**record.job["left_out"]) == plan.jobs[0].left_out
    assert kept.read("none") is None


def test_likeness_is_the_same_picture_at_one(panel: Panel) -> None:
    images = [panel.image(picture) for picture in panel.pictures]
    encoders = {"clip": str(TINY / "encoders" / "clip")}
    same = likeness(images, panel, encoders)
    assert same["mse"] == [0.0] * len(images)
    assert same["clip"] == pytest.approx([1.0] * len(images), abs=1e-4)
    turned = likeness(images[::-1], panel, encoders)
    assert min(turned["mse"]) > 0


def test_a_judge_may_say_more_or_less_than_is_asked(panel: Panel, tmp_path: Path) -> None:
    judge = [sys.executable, "-c", JUDGE.replace("{", "{{").replace("}", "}}"), "{pictures}", "{verdicts}"]
    recipe = Recipe.read(write_recipe(tmp_path / "judged.toml", judge=judge))
    images = [panel.image(picture) for picture in panel.pictures]
    found = verdicts(images, panel, recipe)
    assert found["said-left"] == ["bus"] * len(images)
    wanted = [{"bus": 0.75, "cat": 0.25}.get(picture.left, 0.0) for picture in panel.pictures]
    assert found["left"] == wanted
    assert set(found) == {"left", "said-left"}
