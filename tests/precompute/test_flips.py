"""Laws of training sets that were shown with their mirror images."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ImageOps

from attribution.data.preprocessing import FLIPS, Preparation
from attribution.errors import ArtifactError, SettingsError
from attribution.methods.base import methods
from attribution.methods.mucs import Skewed, skew
from attribution.models.losses import example_losses
from attribution.results import returned
from attribution.unlearning.measuring import Remeasured
from attribution.workspace.baseline import (
    LATENTS,
    flips_of,
    latents_kind,
    losses_kind,
    side_latents,
    sides,
)
from attribution.workspace.root_manifest import MANIFEST, record
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import IMPORTED
from precompute.__main__ import main
from tests.conftest import Foreign
from tests.worlds import foreign

ROWS = np.arange(4)
MIRRORED = latents_kind(flipped=True)


def bound(world: Foreign, flips: str) -> Workspace:
    assert main(["init", "--workspace", str(world.workspace), "--flips", flips]) == 0
    return Workspace.open(world.workspace)


@pytest.fixture(scope="module")
def measured(foreign_world: Foreign, tmp_path_factory: pytest.TempPathFactory) -> Foreign:
    """The foreign world whose pictures were flipped in training, with losses of both sides."""
    root = Path(shutil.copytree(foreign_world.root, tmp_path_factory.mktemp("flips") / "world"))
    world = Foreign(root, *(root / path.name for path in (
        foreign_world.model, foreign_world.dataset, foreign_world.clip, foreign_world.dino,
        foreign_world.workspace,
    )))  # fmt: skip
    bound(world, "mean")
    for verb in ("latents", "losses"):
        assert main([verb, "--workspace", str(world.workspace), "--chunk", "5"]) == 0
    return world


def test_both_sides_are_encoded_and_measured(measured: Foreign) -> None:
    """Law: With --flips, latents and losses of mirror images are made beside those of the pictures."""
    workspace = bound(measured, "mean")
    assert sides(workspace) == (False, True)
    pictures = [workspace.training_set.image(int(row)) for row in ROWS]
    mirrored = [ImageOps.mirror(workspace.prepared(picture)) for picture in pictures]
    expected = workspace.model.encode_images(mirrored)
    torch.testing.assert_close(side_latents(workspace, ROWS, flipped=True), expected)
    stored = workspace.load(losses_kind(flipped=True))[ROWS]
    ids = [workspace.training_set.ids[row] for row in ROWS]
    captions = workspace.model.encode_captions([workspace.training_set.captions[row] for row in ROWS])
    given = (workspace.model, workspace.model.weights, expected, captions, ids, workspace.probe)
    found = example_losses(*given, noises=range(workspace.probe.pool), flipped=True)
    np.testing.assert_allclose(stored, found, rtol=1e-4)


@pytest.mark.parametrize("flips", ["none", "mean", "larger"])
@pytest.mark.parametrize("kind", [Remeasured, Skewed])
def test_a_score_is_what_was_said_of_both_sides(
    measured: Foreign, flips: str, kind: type[Remeasured]
) -> None:
    """Law: A rise or a skew is that of the picture, the mean over both sides, or the larger, as --flips
    says.
    """
    workspace = bound(measured, flips)
    moved = {name: weight + 0.1 * torch.sign(weight) for name, weight in workspace.model.weights.items()}
    images = kind("test", workspace, moved, 16)
    found = returned(images.worth(ROWS, range(2), ""))
    of_sides = []
    for side in (False, True):
        before, after = returned(images.losses(ROWS, range(2), "", side))
        of_sides.append(skew(before, after) if kind is Skewed else after - before)
    if flips == "larger":
        expected = np.max([each.mean(axis=(1, 2)) for each in of_sides], axis=0)
        np.testing.assert_allclose(found.mean(axis=(1, 2)), expected)
    elif flips == "mean":
        np.testing.assert_allclose(found, (of_sides[0] + of_sides[1]) / 2)
    else:
        np.testing.assert_array_equal(found, of_sides[0])
    assert not np.allclose(of_sides[0], of_sides[1]), "the sides are alike: nothing was tested"
    assert images.draws_of(range(2)) == (1 if flips == "none" else 2) * 2 * len(workspace.probe.timesteps)


def test_what_is_lacking_is_said_and_what_is_there_stays(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law: To say that training flipped costs no artifact; what measures names the losses it lacks."""
    before = Workspace.open(foreign_copy.workspace).artifact(LATENTS).checksum
    workspace = bound(foreign_copy, "mean")
    assert workspace.artifact(LATENTS).checksum == before
    lacking = [kind for name in ("abu", "mucs") for kind in methods()[name].needs(workspace)]
    assert lacking.count(losses_kind(flipped=True)) == 2
    with pytest.raises(ArtifactError, match="precompute losses"):
        workspace.artifact(losses_kind(flipped=True))
    assert main([*foreign_copy.arguments(), "--flips", "none"]) == 2
    assert "is bound to the flips mean, not none" in capsys.readouterr().err
    assert sides(bound(foreign_copy, "none")) == (False,)
    config = json.loads((foreign_copy.workspace / "workspace.json").read_text(encoding="utf-8"))
    assert "preparation" not in config
    assert losses_kind(flipped=True) not in methods()["abu"].needs(Workspace.open(foreign_copy.workspace))


def test_mirror_images_latents_of_before_lock_nothing(foreign_copy: Foreign) -> None:
    """Law: Latents of mirror images that are stale or damaged stand in the way of no job and no method."""
    folder = foreign_copy.workspace
    bound(foreign_copy, "mean")
    assert main(["latents", "--workspace", str(folder), "--chunk", "5"]) == 0
    bound(foreign_copy, "none")
    assert main(["init", "--workspace", str(folder), "--precision", "bf16"]) == 0
    assert main(["latents", "--workspace", str(folder), "--chunk", "5"]) == 0
    workspace = Workspace.open(folder)
    assert workspace.has(MIRRORED)
    assert methods()["abu"].needs(workspace)
    (folder / MIRRORED.folder / MANIFEST).write_text("{")
    assert sides(Workspace.open(folder)) == (False,)


def test_what_imported_latents_say_of_flips_is_kept_when_bound_anew(foreign_copy: Foreign) -> None:
    folder = foreign_copy.workspace
    bound(foreign_copy, "larger")
    assert main(["latents", "--workspace", str(folder), "--chunk", "5"]) == 0
    path = folder / MIRRORED.folder / MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**manifest, "settings": {IMPORTED: "of older versions"}}))
    record(folder, artifacts=[MIRRORED.folder])
    assert flips_of(bound(foreign_copy, "none")) == "larger"
    init = ["init", "--workspace", str(folder)]
    assert main([*init, "--precision", "bf16"]) == 0
    assert flips_of(Workspace.open(folder)) == "larger"
    other = foreign.make_training_set(foreign_copy.root / "other")
    assert main([*init, "--dataset", str(other)]) == 0
    assert flips_of(Workspace.open(folder)) == "none"


def test_the_doctor_says_what_a_score_will_be(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["doctor", "--model", foreign_copy.model, "--dataset", foreign_copy.dataset, "--timesteps", 4]
    assert main([*map(str, given), "--clip", "none", "--dino", "none", "--flips"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert FLIPS["mean"] in shown
    assert "latents@flipped=yes" in shown
    with pytest.raises(SettingsError, match="flips 'twice' is not known: choose one of none, mean, larger"):
        Preparation(flips="twice")
