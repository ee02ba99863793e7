"""Laws of a workspace whose model is opened with other layers than keys and values."""

from __future__ import annotations

from pathlib import Path

import pytest

from attribution.engine import attribute
from attribution.query import Query, Settings
from attribution.results import Attribution
from attribution.workspace.workspace import Workspace
from precompute.__main__ import main as precompute
from tests.worlds import adapters, foreign

QUICK = ["--chunk", "5", "--draws", "2", "--dimensions", "256"]


@pytest.mark.slow
@pytest.mark.parametrize("layers", ["all-linear", "lora"])
def test_a_training_image_comes_from_itself_whatever_layers_are_unlearned(
    foreign_pipeline: Path, tmp_path: Path, layers: str
) -> None:
    pictures = foreign.make_training_set(tmp_path / "pictures", 8)
    folder = str(tmp_path / "workspace")
    made_of = ["--model", str(foreign_pipeline), "--dataset", str(pictures), "--layers", layers]
    if layers == "lora":
        made_of += ["--adapter", str(adapters.make_lora(foreign_pipeline, tmp_path / "lora"))]
    without = ["--clip", "none", "--dino", "none", "--timesteps", "4"]
    assert precompute(["init", *made_of, *without, "--workspace", folder]) == 0
    for verb in ("losses", "gradients"):
        options = QUICK if verb == "gradients" else QUICK[:2]
        assert precompute([verb, "--workspace", folder, *options]) == 0
    workspace = Workspace.open(folder)
    assert workspace.model.layers == layers
    query = Query(workspace.training_set.image(3), workspace.training_set.captions[3])
    *_, answer = attribute(workspace, query, ["first-order", "abu-plus"], Settings(effort="exhaustive"))
    assert isinstance(answer, Attribution)
    for ranking in answer.rankings.values():
        assert next(iter(ranking.entries)).row == 3
