"""A recipe, a panel and a plan that are ready in a moment."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from attribution.rng import generator
from attribution.workspace.workspace import Workspace
from evaluation.retraining.attributions import Attributions, questions_of
from evaluation.retraining.job import Job, Plan
from evaluation.retraining.left_out import LeftOut
from evaluation.retraining.panel import REGIONS, Panel, Wanted, drawn_prompts, make_panel
from evaluation.retraining.plans import KINDS, Choices, Planner
from evaluation.retraining.proofs import Proof, Shown
from evaluation.retraining.recipe import Recipe
from evaluation.retraining.records import FORMAT, Record
from evaluation.retraining.report.evidence import Evidence
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


IMAGES = 96
SEEN = 0.88  # what is left of an object that the pretended judge still names


def influences(panel: Panel) -> np.ndarray:
    """What each image is worth to each picture in this pretended world, its left half and its right."""
    shape = (len(panel.pictures), 2, IMAGES)
    return generator(0, "pretended influence").exponential(0.01, shape)


def pretended(plan: Plan, job: Job, panel: Panel) -> Record:
    """The record of a model whose losses are sums of known influences, and a little luck of its own."""
    gone = influences(panel) @ job.left_out.mask(IMAGES).astype(float)
    luck = 0.002 * generator(job.seed, "luck", job.left_out.sha256).standard_normal(gone.shape)
    halves = 1 + gone + luck
    by_region = {"whole": halves.mean(axis=1), "left": halves[:, 0], "right": halves[:, 1]}
    draws = 1 + 0.001 * np.arange(panel.facts.noises)
    losses = {region: (by_region[region][:, None] * draws).tolist() for region in REGIONS}
    left = [float(p) for p in np.exp(-gone[:, 0])]
    seen = [p.left if share > SEEN else "nothing" for p, share in zip(panel.pictures, left, strict=True)]
    judged = {"left": left, "right": left, "said-left": seen}
    judged["said-right"] = ["nothing" for _ in panel.pictures]
    likeness = {"mse": gone.mean(axis=1).tolist(), "clip": left}
    judged = judged if panel.knows_objects else {}  # a judge cannot be asked about what is not known
    shown = (likeness, judged) if plan.pictures else ({}, {})
    device = "cuda" if plan.name == "rounding" else "cpu"
    made_with = {"cpu_seconds": 60.0, "trained_on": device}
    return Record(FORMAT, plan.key(job), plan.described(job), losses, *shown, made_with)


@pytest.fixture(scope="session")
def evidence(small_recipe: Path, small_panel: Path, tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Everything recorded, in a world whose influences one method knows and another does not."""
    return everything(tmp_path_factory.mktemp("evidence"), small_recipe, small_panel, KINDS)


def everything(tmp_path: Path, recipe: Path, panel_folder: Path, kinds: Iterable[str]) -> Evidence:
    """All that plans of these kinds ask for, about a panel."""
    panel = Panel.read(panel_folder)
    shutil.copytree(panel_folder, tmp_path / "panels" / panel_folder.name)
    questions = questions_of(panel, boxed=True)
    of_side = {"whole": influences(panel).sum(axis=1), "left": influences(panel)[:, 0]}
    of_side["right"] = influences(panel)[:, 1]
    rows = {picture.name: row for row, picture in enumerate(panel.pictures)}
    known = np.stack([of_side[q.region][rows[q.picture.name]] for q in questions])
    guessed = generator(0, "guess").random(known.shape)
    for method, scores in (("knowing", known), ("guessing", guessed)):
        for name in ("reference", "shipped"):
            first = np.argsort(-scores, axis=1, kind="stable")
            keys = tuple(question.key for question in questions)
            made = Attributions(method, panel.digest, panel.facts.training_set, "m", keys, scores, first)
            made.write(tmp_path / "attributions" / name)
        way = "default" if method == "knowing" else "damping 1"
        whole = {q.key: scores[n] for n, q in enumerate(questions) if q.region == "whole"}
        said = Attributions(
            f"{way}, relative divergence", panel.digest, panel.facts.training_set, "m", tuple(whole),
            np.stack([*whole.values()]), first[: len(whole)],
        )  # fmt: skip
        said.write(tmp_path / "variants", way)
        moved = known if method == "knowing" else np.zeros_like(known)
        of_targets = [(q.picture.name, row.max()) for q, row in zip(questions, moved, strict=True)][:2]
        shown = tuple(Shown(name, 0.0, 0.1, value, 0.001, 1.0, name) for name, value in of_targets)
        Proof(method, panel.digest, "m", 2, shown, ()).write(tmp_path / "proofs")
    random = tuple(Shown(f"target-0{k}", 0.0, 0.1, 0.01, 0.001, 1.0, "") for k in (0, 1, 0, 1))
    Proof("chance", panel.digest, "m", 2, random, ()).write(tmp_path / "proofs")
    choices = Choices(
        recipe, panel_folder, tmp_path / "attributions" / "reference", None, (2, 3), 4, 3, 2, 30, 10
    )
    found = Evidence(tmp_path)
    for kind in kinds:
        plan = KINDS[kind](Planner(choices))
        plan.write(tmp_path / "plans" / f"{plan.name}.json")
        for job in plan.jobs:
            found.records.write(pretended(plan, job, panel))
    return found
