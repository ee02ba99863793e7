"""Laws of plans."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from attribution.errors import MismatchError, SettingsError
from attribution.workspace.workspace import Workspace
from evaluation.retraining.attributions import ask, questions_of, read_all
from evaluation.retraining.job import Plan
from evaluation.retraining.panel import Panel, given_prompts, make_panel
from evaluation.retraining.plans import KINDS, Choices, Planner
from tests.evaluation.retraining.conftest import SMALL

METHODS = ("clip-text", "pixel")


@pytest.fixture(scope="session")
def attributions(tmp_path_factory: pytest.TempPathFactory, tiny_world: Workspace, panel: Panel) -> Path:
    """What two methods say of the small panel, boxes too."""
    folder = tmp_path_factory.mktemp("attributions")
    for name in METHODS:
        list(ask(tiny_world, panel, name, folder / "small", folder / "work", boxed=True))
    return folder / "small"


@pytest.fixture
def choices(small_recipe: Path, small_panel: Path, attributions: Path) -> Choices:
    return Choices(
        small_recipe, small_panel, attributions, METHODS, k=(2, 3), chance=2, seeds=2, models=6, again=2
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_is_a_function_of_committed_files(kind: str, choices: Choices, tmp_path: Path) -> None:
    """Law: A plan made again from the same files is the same, and is read as it was written."""
    plan = KINDS[kind](Planner(choices))
    plan.write(tmp_path / "plan.json")
    assert Plan.read(tmp_path / "plan.json") == plan == KINDS[kind](Planner(choices))
    recipe, panel = plan.sources()
    assert (recipe.digest, panel.digest) == (plan.recipe_digest, plan.panel_digest)


def test_every_union_of_one_k_is_as_large_as_the_random_ones(choices: Choices) -> None:
    plan = KINDS["union"](Planner(choices))
    for k in (2, 3):
        jobs = [job for job in plan.jobs if job.labels["k"] == k]
        assert {job.left_out.count for job in jobs} == {2 * k}
        found = Counter(job.labels["method"] for job in jobs)
        assert found == {"chance": 2, "oracle": 1, "clip-text": 1, "pixel": 1}


def test_what_two_plans_ask_for_is_one_job(choices: Choices) -> None:
    """Law: A job that two plans ask for has one record."""
    union, boxed = (KINDS[kind](Planner(choices)) for kind in ("union", "boxed"))
    chance = [
        {plan.key(job) for job in plan.jobs if job.labels["method"] == "chance" and job.labels["k"] == 3}
        for plan in (union, boxed)
    ]
    assert len(chance[0]) == 2
    assert chance[0] == chance[1]


def test_a_models_name_knows_nothing_of_what_is_measured(choices: Choices) -> None:
    plan = KINDS["references"](Planner(choices))
    other = replace(plan, panel_digest="x", pictures=False)
    for job in plan.jobs:
        assert plan.training_key(job) == other.training_key(job)
        assert plan.key(job) != other.key(job)
    assert len({plan.training_key(job) for job in plan.jobs}) == 2  # a seed each


def test_halves_leave_out_half_and_some_are_trained_again(choices: Choices, tiny_world: Workspace) -> None:
    plan = KINDS["lds"](Planner(choices))
    assert not plan.pictures
    images = len(tiny_world.training_set)
    masks = np.stack([job.left_out.mask(images) for job in plan.jobs])
    assert set(masks.sum(axis=1)) == {images // 2}
    assert [job.seed for job in plan.jobs] == [0] * 6 + [1] * 2
    assert (masks[6:] == masks[:2]).all()


def test_a_plan_whose_sources_have_changed_is_refused(choices: Choices) -> None:
    plan = KINDS["references"](Planner(choices))
    with pytest.raises(MismatchError, match="make it anew"):
        replace(plan, recipe_digest="another").sources()


def test_without_known_objects_there_is_no_oracle(
    choices: Choices, attributions: Path, tiny_world: Workspace, tmp_path: Path
) -> None:
    """Law: Where it is not known what pictures show, methods are held against chance alone."""
    for name, prompts in (("targets.txt", "a duck\na bus\n"), ("controls.txt", "a road\n")):
        (tmp_path / name).write_text(prompts)
    chosen = given_prompts(tmp_path / "targets.txt", tmp_path / "controls.txt")
    list(make_panel(tmp_path / "own", tiny_world.model, tiny_world.training_set, SMALL, chosen))
    panel = Panel.read(tmp_path / "own")
    said, work = tmp_path / "said", tmp_path / "work"
    for name in METHODS:
        list(ask(tiny_world, panel, name, said, work, boxed=False))
    planner = Planner(replace(choices, panel=panel.folder, attributions=said))
    for kind in ("union", "repeats", "single", "rounding"):
        methods = {job.labels.get("method", "none") for job in KINDS[kind](planner).jobs}
        assert methods - {"none"} == {"chance", *METHODS}, kind
    for kind in ("boxed", "pilot"):
        with pytest.raises(SettingsError, match="needs to know what pictures show"):
            KINDS[kind](planner)


def test_plans_that_need_methods_say_so(choices: Choices) -> None:
    with pytest.raises(SettingsError, match="--attributions"):
        KINDS["union"](Planner(replace(choices, attributions=None)))


def test_kept_attributions_are_the_rankings_that_were_given(
    attributions: Path, tiny_world: Workspace, panel: Panel
) -> None:
    """Law: Kept attributions have every image's score, and their first ranks are the method's own."""
    found = read_all(attributions, panel)
    assert set(found) == set(METHODS)
    images = len(tiny_world.training_set)
    for each in found.values():
        assert each.questions == tuple(question.key for question in questions_of(panel, boxed=True))
        for key in each.questions:
            ranking, scores = each.ranking(key), each.of(key)
            assert sorted(ranking.tolist()) == list(range(images))
            assert np.isfinite(scores).all()
            assert (np.diff(scores[ranking]) <= 0).all()
    refined = attributions / "refined"
    for name in ("pixel", "abu"):
        list(ask(tiny_world, panel, name, refined, refined / "work", boxed=False, effort="refined"))
    asked = {name: each.questions for name, each in read_all(refined, panel).items()}
    assert len(asked["pixel"]) == len(panel.pictures)
    assert asked["abu"] == ("target-00-whole", "target-01-whole")
    other = Panel(panel.folder, replace(panel.facts, noises=3))
    assert list(ask(tiny_world, panel, "pixel", attributions, attributions / "work", boxed=False)) == []
    with pytest.raises(MismatchError, match="remove it, or keep"):
        list(ask(tiny_world, other, "pixel", attributions, attributions / "work", boxed=False))
    assert read_all(attributions, other, strict=False) == {}
    with pytest.raises(MismatchError, match="ask anew"):
        read_all(attributions, other)
