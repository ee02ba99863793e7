"""Laws of the customised models that are shipped: small, whole, moved with their world."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from attribution.gradients.stored import EKFAC
from attribution.models.base import open_model
from attribution.workspace.root_manifest import MANIFEST
from attribution.workspace.workspace import Workspace
from demo.arguments import ASSETS
from demo.customise.commands import new_glyphs
from demo.customise.concepts import CONCEPTS, TOKEN
from demo.customise.extracting import factors_of
from demo.customise.shipped import SHIPPED, ShippedModel
from demo.sizes import TINY as TINY_SIZES
from demo.world import World
from precompute.status import changed_pictures, damaged_artifacts
from tests.worlds import EMBEDDED, GLYPHS, ROOT, TINY
from tests.worlds.folders import contents

DINOSAUR = next(each for each in CONCEPTS if each.name == "dinosaur")
MOST = 8 * 2**20  # bytes of all that are shipped


def shipped_from(folder: Path) -> ShippedModel:
    """The tiny world's model taught for a step, with 8 of its scenes beside the exemplars."""
    world = World("shipping", folder, GLYPHS, sizes=TINY_SIZES)
    glyphs = new_glyphs(ROOT / ASSETS)
    return ShippedModel(world, DINOSAUR, glyphs, folder.parent / "taught", effort=1 / 400, scenes=8)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WHENCE_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(TINY, tmp_path / "world"))


@pytest.mark.parametrize("shape", [(6, 5), (4, 3, 3, 3)], ids=["linear", "convolution"])
def test_a_change_of_low_rank_is_the_nearest_there_is(shape: tuple[int, ...]) -> None:
    """Law: What is left out of a layer's change is its smallest singular values, and nothing else."""
    change = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(change.flatten(1))
    for rank in (1, 2, len(values)):
        down, up = factors_of(change, rank)
        assert (down.shape[1:], up.shape[:2]) == (change.shape[1:], (shape[0], rank))
        left = change.flatten(1) - up.flatten(1).float() @ down.flatten(1).float()
        assert float(left.norm()) == pytest.approx(float(values[rank:].norm()), abs=5e-3)


@pytest.mark.slow
def test_a_shipped_model_is_moved_with_its_world(world: Path) -> None:
    """Law: Of a shipped model nothing is the base's twice, and nothing names a place on this machine."""
    for _ in shipped_from(world).make():
        pass
    moved = Path(shutil.copytree(world, world.parent / "elsewhere"))
    shutil.rmtree(world)
    folder = moved / "customised" / "dinosaur"
    workspace = Workspace.open(folder / "workspace")
    assert list(changed_pictures(workspace, lambda *_: None)) == []
    assert list(damaged_artifacts(workspace, absent_too=False)) == []
    assert workspace.model.fingerprint != Workspace.open(moved / "workspace").fingerprints["model"]
    assert [path.name for path in (folder / "workspace" / EKFAC.name).iterdir()] == [MANIFEST]
    workspace.load(EKFAC)
    truth = json.loads((folder / "truth.json").read_text())
    assert truth["images"] == list(workspace.training_set.ids[: DINOSAUR.exemplars])
    assert all(TOKEN in caption for caption in workspace.training_set.captions[: DINOSAUR.exemplars])
    assert len(workspace.training_set) == DINOSAUR.exemplars + 8
    for path in folder.rglob("*.json"):
        assert str(world.parent) not in path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_what_is_there_is_left_alone(world: Path) -> None:
    """Law: Made again, a shipped model is the same to the byte, its teaching not even begun."""
    for _ in shipped_from(world).make():
        pass
    before = contents(world)
    shutil.rmtree(world.parent / "taught")
    for _ in shipped_from(world).make():
        pass
    assert contents(world) == before


def test_what_is_shipped_is_small_whole_and_of_the_embedded_model() -> None:
    """Law: The shipped customised models are those that are named, small and undamaged."""
    found = {path.name for path in (EMBEDDED / "customised").iterdir() if (path / "workspace").is_dir()}
    assert found == set(SHIPPED)
    files = [path for name in SHIPPED for path in (EMBEDDED / "customised" / name).rglob("*")]
    assert sum(path.stat().st_size for path in files if path.is_file()) < MOST
    for name in SHIPPED:
        workspace = Workspace.open(EMBEDDED / "customised" / name / "workspace")
        assert workspace.source(workspace.config.model) == str(EMBEDDED / "model")
        assert list(damaged_artifacts(workspace, absent_too=False)) == []
        assert list(changed_pictures(workspace, lambda *_: None)) == []


def test_the_exemplars_are_the_concepts_own() -> None:
    for name in SHIPPED:
        concept = next(each for each in CONCEPTS if each.name == name)
        assert 2 <= concept.exemplars <= 5
        folder = EMBEDDED / "customised" / name
        truth = json.loads((folder / "truth.json").read_text())["images"]
        assert truth == [each.id for each in concept.scenes[: concept.exemplars]]
        for each in truth:
            with Image.open(folder / "exemplars" / f"{each}.png") as picture:
                assert picture.size == (64, 64)
        model = open_model(str(EMBEDDED / "model"), adapters=[folder / "adapter"])
        assert Workspace.open(folder / "workspace").fingerprints["model"] == model.fingerprint
