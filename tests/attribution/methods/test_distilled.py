"""Laws of the distilled method, on the tiny world with controls that nobody generated or unlearned."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from attribution.analysis import ranker
from attribution.analysis.ranker import DISTILLED, image_features
from attribution.engine import attribute
from attribution.gradients.query_context import QueryContext
from attribution.methods.base import Cost, available, method, refusal
from attribution.methods.distilled import query_features
from attribution.query import Box, Query, Settings
from attribution.results import Attribution
from attribution.workspace import workspace as opening
from attribution.workspace.workspace import Workspace
from precompute.__main__ import main
from precompute.jobs import control_divergences, distilled
from tests.worlds import TINY
from tests.worlds.controls import noisy, picture_of
from tests.worlds.queries import query_of


@pytest.fixture(scope="module")
def taught_world(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("taught") / "tiny"
    shutil.copytree(TINY, root)
    folder = root / "workspace"
    with pytest.MonkeyPatch.context() as patch:
        for job in (control_divergences, distilled):
            patch.setattr(job, "control_query", picture_of)
        patch.setattr(control_divergences, "unlearned", noisy)
        patch.setattr(ranker, "STEPS", 5)
        assert main(["control-divergences", "--workspace", str(folder), "--controls", "10"]) == 0
        assert main(["distilled", "--workspace", str(folder), "--chunk", "4"]) == 0
    return Workspace.open(folder)


def test_it_answers_without_the_diffusion_model(
    taught_world: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: The distilled method looks up: it opens no diffusion model, and answers twice the same."""
    monkeypatch.setattr(opening, "open_model", lambda *_: pytest.fail("a model was opened"))
    workspace, asked = Workspace.open(taught_world.folder), query_of(taught_world)
    answers = []
    for _ in range(2):
        *_, last = attribute(workspace, asked, ("distilled",), Settings(effort="instant"))
        assert isinstance(last, Attribution)
        answers.append(last.rankings["distilled"])
    assert method("distilled").cost is Cost.LOOKUP
    np.testing.assert_array_equal(answers[0].scores, answers[1].scores)
    assert len(answers[0]) == len(taught_world.training_set)


def test_a_picture_is_told_in_the_order_of_training_images(tiny_world: Workspace) -> None:
    """Law: The network is told of a picture what it is told of training images, part by part."""
    row = 3
    told = query_features(QueryContext(tiny_world, query_of(tiny_world, row), Settings()))
    np.testing.assert_allclose(told, image_features(tiny_world, np.array([row]))[0], atol=0.1)


def test_what_it_learnt_and_how_well_is_kept_with_it(taught_world: Workspace) -> None:
    told = json.loads((taught_world.folder / "distilled" / "manifest.json").read_text())["measured"]
    assert (told["taught"], told["held_out"]) == (8, 2)
    assert {
        "loss",
        "loss_held_out",
        "recall",
        "spearman",
        "recall_of_clip",
        "recall_of_bm25",
    } <= told.keys()


def test_it_says_nothing_of_a_part(taught_world: Workspace) -> None:
    whole = query_of(taught_world)
    assert refusal(method("distilled"), whole) is None
    part = Query(whole.image, whole.caption, Box(0, 0, 0.5, 1))
    assert "whole" in (refusal(method("distilled"), part) or "")


def test_it_is_offered_where_it_was_taught(tiny_world: Workspace, taught_world: Workspace) -> None:
    assert not tiny_world.has(DISTILLED)
    assert not available(method("distilled"), tiny_world)
    assert available(method("distilled"), taught_world)
