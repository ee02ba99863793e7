"""A recipe, a panel and a plan that are ready in a moment."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from attribution.workspace.workspace import Workspace
from evaluation.retraining.job import Job, Plan
from evaluation.retraining.left_out import LeftOut
from evaluation.retraining.panel import Panel, Wanted, drawn_prompts, make_panel
from evaluation.retraining.recipe import Recipe
from tests.worlds import TINY

# A "model" that says what it was trained without. It takes as long as there is a file `slow` beside it.
TRAIN = """
import pathlib, sys, time
left_out, seed, model = sys.argv[1:4]
folder = pathlib.Path(model)
folder.parent.joinpath("begun").touch()
while folder.parent.parent.joinpath("slow").exists():
    time.sleep(0.02)
if folder.parent.parent.joinpath("broken").exists():
    sys.exit("it came apart")
folder.with_suffix(".part").mkdir()
folder.with_suffix(".part").joinpath("ids").write_text(pathlib.Path(left_out).read_text())
folder.with_suffix(".part").rename(folder)
"""
# The same for many, in their order; each one's `begun` says by how many it was begun with.
TOGETHER = """
import json, pathlib, subprocess, sys
for each in json.loads(pathlib.Path(sys.argv[1]).read_text()):
    given = [each["left_out"], str(each["seed"]), each["model"]]
    if subprocess.run([sys.executable, "-c", sys.argv[3], *given]).returncode:
        sys.exit("one came apart")
    pathlib.Path(each["model"]).parent.joinpath("begun").write_text(sys.argv[2])
"""
SMALL = Wanted(targets=2, controls=2, timesteps=2, noises=2, steps=1, guidance=1.0)


def write_recipe(path: Path, train: list[str] | None = None, **more: object) -> Path:
    """A recipe's file; without a command, that of the pretended training."""
    command = train or [sys.executable, "-c", TRAIN, "{left_out}", "{seed}", "{model}"]
    values = {"name": "small", "dataset": str(TINY / "scenes"), "train": command, **more}
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
    return path


@pytest.fixture(scope="session")
def small_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Braces of the script are no placeholders: there are none in it.
    together = [sys.executable, "-c", TOGETHER, "{jobs}", "{at_once}", TRAIN]
    return write_recipe(tmp_path_factory.mktemp("recipe") / "small.toml", train_together=together)


@pytest.fixture(scope="session")
def small_panel(tmp_path_factory: pytest.TempPathFactory, tiny_world: Workspace) -> Path:
    """Two targets and two controls by the tiny world's model."""
    folder = tmp_path_factory.mktemp("panels") / "small"
    chosen = drawn_prompts(tiny_world.training_set.examples, SMALL)
    assert len(list(make_panel(folder, tiny_world.model, tiny_world.training_set, SMALL, chosen))) == 4
    return folder


@pytest.fixture(scope="session")
def panel(small_panel: Path) -> Panel:
    return Panel.read(small_panel)


@pytest.fixture
def plan_of(small_recipe: Path, small_panel: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes a plan of jobs that leave out these rows, and says where it is."""

    def made(*left_out: tuple[int, ...], name: str = "plan") -> Path:
        ids = Recipe.read(small_recipe).training_set.ids
        jobs = [
            Job(0, LeftOut.of(rows, ids), {"kind": "test", "draw": n}) for n, rows in enumerate(left_out)
        ]
        path = tmp_path / f"{name}.json"
        Plan.of(name, small_recipe, small_panel, jobs).write(path)
        return path

    return made
