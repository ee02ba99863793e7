"""Laws of pictures with several captions, over which a loss is the mean."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from attribution.errors import CaptionError
from attribution.models.base import open_model
from attribution.models.losses import example_losses
from attribution.results import returned
from attribution.unlearning.measuring import Remeasured
from attribution.workspace.baseline import LOSSES, captions_each, training_inputs
from attribution.workspace.create import askable
from attribution.workspace.workspace import Workspace
from precompute import doctor
from precompute.__main__ import main
from precompute.binding import Sources
from precompute.doctor import examine
from precompute.work import Pace
from tests.worlds import foreign
from tests.worlds.families import make_labelled_ddpm

CAPTIONS = [["a"], ["b", "c"], ["d", "e", "f"], ["g", "h"]]  # of each picture


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = foreign.make_training_set(tmp_path_factory.mktemp("several") / "set", len(CAPTIONS))
    lines = [
        json.dumps({"file_name": f"pictures/{number:03d}.png", "text": caption})
        for number, own in enumerate(CAPTIONS)
        for caption in own
    ]
    (folder / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def workspace(dataset: Path, foreign_pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("several") / "workspace"
    given = ["--model", foreign_pipeline, "--dataset", dataset, "--captions", "mean", "--timesteps", 4]
    init = ["init", *given, "--workspace", folder, "--clip", "none", "--dino", "none"]
    assert main([*map(str, init)]) == 0
    assert main(["losses", "--workspace", str(folder), "--chunk", "3"]) == 0
    return Workspace.open(folder)


def plain_losses(workspace: Workspace, weights: object, row: int, noises: int) -> np.ndarray:
    """(timesteps, noises) of one picture: the mean over its captions, one at a time."""
    latents, _, ids = training_inputs(workspace, [row])
    each = [
        example_losses(
            workspace.model, weights, latents, workspace.model.encode_captions([caption]), ids,
            workspace.probe, noises=range(noises),
        )[0]
        for caption in CAPTIONS[row]
    ]  # fmt: skip
    return np.mean(each, axis=0, dtype=np.float64)


def test_a_loss_is_the_mean_over_as_many_captions_as_a_picture_has(workspace: Workspace) -> None:
    """Law: With --captions mean a loss is the mean over the picture's captions, however many these are."""
    pool, rows = workspace.probe.pool, range(len(CAPTIONS))
    expected = [plain_losses(workspace, workspace.model.weights, row, pool) for row in rows]
    np.testing.assert_allclose(workspace.load(LOSSES), np.stack(expected), rtol=1e-5)
    moved = {name: weight + 0.1 * torch.sign(weight) for name, weight in workspace.model.weights.items()}
    images = Remeasured("test", workspace, moved, 16)
    rises = returned(images.rises(np.arange(len(CAPTIONS))[::-1].copy(), range(1), ""))[::-1]
    after = [plain_losses(workspace, moved, row, 1) for row in rows]
    np.testing.assert_allclose(rises, np.stack(after) - np.stack(expected)[..., :1], rtol=1e-3, atol=1e-6)
    assert captions_each(workspace) == 3
    assert images.draws_of(range(1)) == 3 * len(workspace.probe.timesteps)


def test_what_is_differentiated_takes_the_first_caption(workspace: Workspace) -> None:
    _, captions, _ = training_inputs(workspace, [2, 1])
    torch.testing.assert_close(captions.tokens, workspace.model.encode_captions(["d", "b"]).tokens)


def test_a_changed_further_caption_makes_another_training_set(
    workspace: Workspace, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law: Every caption that a loss is a mean over counts in the training set's fingerprint."""
    path = dataset / "metadata.jsonl"
    before, text = workspace.fingerprints["training_set"], path.read_text(encoding="utf-8")
    path.write_text(text.replace('"h"', '"x"'), encoding="utf-8")
    try:
        assert main(["init", "--workspace", str(workspace.folder)]) == 0
        assert Workspace.open(workspace.folder).fingerprints["training_set"] != before
    finally:
        path.write_text(text, encoding="utf-8")
        assert main(["init", "--workspace", str(workspace.folder)]) == 0
    assert Workspace.open(workspace.folder).fingerprints["training_set"] == before


def test_a_further_caption_that_is_no_class_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    model = open_model(make_labelled_ddpm(tmp_path / "labelled"))
    with pytest.raises(CaptionError, match="is no class of this model"):
        askable(model, workspace.training_set)


def test_the_doctor_says_that_a_loss_is_a_mean(
    dataset: Path, foreign_pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "measured_pace", lambda model, encoders, caption: Pace(1, 1, 1, 1))
    no_encoders = {"clip": "none", "dino": "none"}
    sources = Sources(str(foreign_pipeline), str(dataset), no_encoders, timesteps=4, captions="mean")
    found = examine(sources, {}, "cpu")
    assert found.facts["captions"].endswith("; a loss is the mean over up to 3 of a picture")
    losses = {each.artifact: each.seconds for each in found.planned}["losses"]
    first = examine(replace(sources, captions="first"), {}, "cpu").planned
    assert losses == 3 * {each.artifact: each.seconds for each in first}["losses"]
