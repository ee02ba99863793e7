"""Laws of the binding of one model, one training set and their artifacts."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from attribution.errors import (
    MismatchError,
    MissingArtifactError,
    ModelError,
    SettingsError,
    TrainingSetError,
    UnknownNameError,
    WorkspaceError,
)
from attribution.gradients.stored import FISHER
from attribution.models.base import DiffusionModel, open_model
from attribution.models.draws import Probe
from attribution.workspace import workspace as module
from attribution.workspace.baseline import LOSSES, training_latents
from attribution.workspace.config import Config, probe_fingerprint
from attribution.workspace.create import create_workspace
from attribution.workspace.embeddings import embedding
from attribution.workspace.root_manifest import record
from attribution.workspace.workspace import Workspace, checked_device
from tests.conftest import Foreign
from tests.worlds import TINY


def test_opening_loads_no_model(foreign_world: Foreign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "open_model", lambda *_: pytest.fail("a model was loaded"))
    workspace = Workspace.open(foreign_world.workspace)
    assert len(workspace.training_set) == 22
    assert workspace.resolution == 16
    assert workspace.load(LOSSES).shape == (22, 4, 6)
    assert training_latents(workspace, range(22)).shape == (22, 3, 8, 8)
    diagonal = workspace.artifact(FISHER).tensors("fisher.safetensors")
    assert all(value.min() >= 0 for value in diagonal.values())


def test_the_model_is_loaded_once_also_by_threads_at_the_same_time(
    foreign_world: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []

    def counted(name: str, *how: str) -> DiffusionModel:
        loads.append(name)
        return open_model(name, *how)

    monkeypatch.setattr(module, "open_model", counted)
    workspace = Workspace.open(foreign_world.workspace)
    threads = [threading.Thread(target=lambda: workspace.model) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1


def test_latents_are_those_of_the_prepared_pictures(foreign_world: Foreign) -> None:
    workspace = Workspace.open(foreign_world.workspace)
    image = workspace.prepared(workspace.training_set.image(7))
    again = workspace.model.encode_images([image])[0].numpy()
    np.testing.assert_allclose(training_latents(workspace, [7])[0], again, rtol=1e-4, atol=1e-5)


def test_folders_beside_a_workspace_may_be_moved_with_it(foreign_copy: Foreign, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.move(foreign_copy.root, moved)
    workspace = Workspace.open(moved / "workspace")
    assert workspace.training_set.image(0).size == (30, 20)
    assert workspace.encoder("clip").images([Image.new("RGB", (9, 9))]).shape == (1, 20)
    assert Path(workspace.source(workspace.config.model)).samefile(moved / "model")


def test_folders_elsewhere_are_kept_as_they_are(foreign_world: Foreign, tmp_path: Path) -> None:
    workspace = Workspace.open(foreign_world.workspace)
    assert workspace.stored(foreign_world.model) == "../model"
    assert workspace.stored(tmp_path) == str(tmp_path)
    assert workspace.stored("openai/clip-vit-base-patch32") == "openai/clip-vit-base-patch32"


def test_a_folder_that_is_not_a_workspace_is_refused_with_the_command_that_makes_one(
    tmp_path: Path,
) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(WorkspaceError, match=r"is not a workspace.*python -m precompute all --model"):
            Workspace.open(folder)


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"format": 1}', '{"format": 1, "probe": {}}'])
def test_a_damaged_configuration_is_refused(tmp_path: Path, damage: str) -> None:
    (tmp_path / "workspace.json").write_text(damage)
    with pytest.raises(WorkspaceError, match="damaged"):
        Workspace.open(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("unheard_of", 1),
        ("resolution", "64"),
        ("encoders", {"clip": None}),
        ("probe", {"timesteps": [], "noises": 2, "seed": 0, "pool": 6}),
        ("probe", {"timesteps": [50, 50], "noises": 2, "seed": 0, "pool": 6}),
        ("probe", {"timesteps": [50], "noises": 2, "seed": 0, "pool": 6}),
        ("resolution", 32),
        ("resolution", 10**6),
        ("latent_shape", [4, 0, 16]),
        ("fingerprints", {}),
    ],
)
def test_a_configuration_with_a_wrong_or_unknown_value_is_refused(
    tmp_path: Path, key: str, value: object
) -> None:
    kept = json.loads((TINY / "workspace" / "workspace.json").read_text())
    (tmp_path / "workspace.json").write_text(json.dumps({**kept, key: value}))
    with pytest.raises(WorkspaceError, match=r"is damaged: .*: put it back, or remove it"):
        Config.load(tmp_path)


def test_a_configuration_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "workspace.json").write_text('{"format": 99}')
    with pytest.raises(WorkspaceError, match="another version"):
        Workspace.open(tmp_path)


def test_a_configuration_comes_back_as_it_was_written(tmp_path: Path) -> None:
    probe = Probe((1, 2), 3, 4)
    own = {"model": "f", "layers": "l", "training_set": "t", "dtype": "float32"}
    said_twice = {"probe": probe_fingerprint(probe), "resolution": "64"}
    config = Config("../m", "../d", {"clip": "x/y"}, probe, 64, {**own, **said_twice})
    config.save(tmp_path)
    assert Config.load(tmp_path) == config


def test_a_model_that_has_changed_is_refused_with_both_fingerprints(foreign_copy: Foreign) -> None:
    weights = foreign_copy.model / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["conv_in.bias"] += 1
    save_file(tensors, weights)
    workspace = Workspace.open(foreign_copy.workspace)
    with pytest.raises(MismatchError) as caught:
        _ = workspace.model
    assert workspace.fingerprints["model"] in str(caught.value)
    assert "python -m precompute init" in str(caught.value)


def test_an_encoder_that_has_changed_is_refused(foreign_copy: Foreign) -> None:
    wanted = json.loads((foreign_copy.dino / "preprocessor_config.json").read_text())
    wanted["image_mean"] = [0.1, 0.1, 0.1]
    (foreign_copy.dino / "preprocessor_config.json").write_text(json.dumps(wanted))
    with pytest.raises(MismatchError, match="the dino at"):
        Workspace.open(foreign_copy.workspace).encoder("dino")


def test_a_caption_encoder_that_ends_captions_otherwise_is_refused(foreign_copy: Foreign) -> None:
    path = foreign_copy.clip / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "eos_token": "x"}))
    with pytest.raises(MismatchError, match="the clip at"):
        Workspace.open(foreign_copy.workspace).encoder("clip")


def test_a_training_set_that_has_changed_is_refused_when_opened(foreign_copy: Foreign) -> None:
    metadata = foreign_copy.dataset / "metadata.jsonl"
    metadata.write_text(metadata.read_text().replace("red", "pink"))
    with pytest.raises(TrainingSetError, match="has changed since it was scanned"):
        Workspace.open(foreign_copy.workspace)


def test_artifacts_of_another_probe_are_refused_with_both_probes(foreign_copy: Foreign) -> None:
    path = foreign_copy.workspace / "workspace.json"
    path.write_text(path.read_text().replace("noises=2", "noises=3").replace('"noises": 2', '"noises": 3'))
    record(foreign_copy.workspace, ["workspace.json"])
    workspace = Workspace.open(foreign_copy.workspace)
    with pytest.raises(MismatchError) as caught:
        workspace.load(LOSSES)
    for word in ("noises=2", "noises=3", "python -m precompute losses"):
        assert word in str(caught.value)
    assert training_latents(workspace, [0]) is not None  # no probe enters these


def test_an_encoder_that_is_not_configured_is_an_error_that_names_the_command(
    foreign_copy: Foreign,
) -> None:
    workspace = Workspace.open(foreign_copy.workspace)
    workspace.configure_encoder("dino", None)
    for reopened in (workspace, Workspace.open(foreign_copy.workspace)):
        with pytest.raises(MissingArtifactError, match="precompute embeddings --dino FOLDER_OR_HUB_ID"):
            reopened.encoder("dino")
        with pytest.raises(MissingArtifactError, match="precompute embeddings --dino FOLDER_OR_HUB_ID"):
            reopened.artifact(embedding("dino"))
    with pytest.raises(UnknownNameError, match="choose from clip, dino, pixel"):
        workspace.encoder("vgg")


def test_another_checkpoint_makes_the_old_embeddings_stale(foreign_copy: Foreign) -> None:
    workspace = Workspace.open(foreign_copy.workspace)
    workspace.artifact(embedding("dino"))
    weights = foreign_copy.dino / "model.safetensors"
    tensors = load_file(weights)
    tensors["layernorm.bias"] += 1
    save_file(tensors, weights, metadata={"format": "pt"})
    workspace.configure_encoder("dino", foreign_copy.dino)
    with pytest.raises(MismatchError, match=r"embeddings-dino .* was made for dino"):
        workspace.artifact(embedding("dino"))


def test_what_cannot_be_opened_leaves_no_workspace_behind(foreign_copy: Foreign, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    for model, dataset, encoders, error in (
        (tmp_path, foreign_copy.dataset, {}, ModelError),
        (foreign_copy.model, tmp_path, {}, TrainingSetError),
        (foreign_copy.model, foreign_copy.dataset, {"clip": foreign_copy.dino}, ModelError),
        (foreign_copy.model, foreign_copy.dataset, {"dino": tmp_path}, ModelError),
        (foreign_copy.model, foreign_copy.dataset, {"vgg": tmp_path}, UnknownNameError),
    ):
        with pytest.raises(error) as caught:
            create_workspace(folder, model, dataset, encoders)
        assert "\n" not in str(caught.value)
    assert not folder.exists()


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "", "cuda"])
def test_a_device_that_is_not_there_is_refused(
    foreign_world: Foreign, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingsError, match="cpu"):
        Workspace.open(foreign_world.workspace, device)


def test_single_precision_on_a_gpu_is_not_that_of_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Law: Where a GPU is asked for, no convolution is rounded beyond single precision."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    checked_device("cpu")
    assert torch.backends.cudnn.allow_tf32
    checked_device("cuda")
    assert not torch.backends.cudnn.allow_tf32
