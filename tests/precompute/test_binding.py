"""Laws of what a workspace is bound to, and of what may be left out or given later."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from attribution.errors import MismatchError, MissingArtifactError
from attribution.models.stable_diffusion import PipelineModel
from attribution.workspace.baseline import LATENTS, LOSSES
from attribution.workspace.embeddings import embedding
from attribution.workspace.workspace import Workspace
from precompute.__main__ import main
from precompute.binding import Sources, bind, open_or_bind
from precompute.status import states
from tests.conftest import Foreign
from tests.worlds import foreign
from tests.worlds.folders import contents


def test_init_alone_computes_nothing(foreign_copy: Foreign, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    assert main(foreign_copy.arguments("init", folder)) == 0
    assert {path.name for path in folder.iterdir()} == {
        "workspace.json",
        "training_set.json",
        "manifest.json",
    }
    assert Workspace.open(folder).probe.timesteps == (125, 375, 625, 875)


def test_init_again_keeps_what_is_not_given(foreign_copy: Foreign) -> None:
    before = contents(foreign_copy.workspace)
    assert main(["init", "--workspace", str(foreign_copy.workspace)]) == 0
    assert contents(foreign_copy.workspace) == before


def test_init_again_mends_a_changed_training_set(foreign_copy: Foreign) -> None:
    metadata = foreign_copy.dataset / "metadata.jsonl"
    metadata.write_text(metadata.read_text().replace("a red", "a scarlet"))
    folder = str(foreign_copy.workspace)
    assert main(["losses", "--workspace", folder]) == 2
    assert main(["init", "--workspace", folder]) == 0
    assert main(foreign_copy.arguments()) == 0
    assert Workspace.open(folder).load(LOSSES).shape == (22, 4, 6)


def test_all_refuses_to_repoint_a_workspace(
    foreign_copy: Foreign, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = foreign.make_training_set(tmp_path / "other", 4)
    arguments = foreign_copy.arguments()
    arguments[arguments.index("--dataset") + 1] = str(other)
    assert main(arguments) == 2
    assert f"is bound to the dataset ../pictures, not {other}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "value", "bound"), [("timesteps", 5, 4), ("noises", 3, 2), ("seed", 1, 0), ("pool", 7, 6)]
)
def test_all_refuses_another_probe(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str], flag: str, value: int, bound: int
) -> None:
    """Law: No probe given to `all` is passed over: it is the workspace's, or refused."""
    assert main([*foreign_copy.arguments(), f"--{flag}", str(value)]) == 2
    said = capsys.readouterr().err
    assert f"is bound to the {flag} {bound}, not {value}" in said
    assert f"precompute init --workspace {foreign_copy.workspace} --{flag} {value}`" in said


def test_all_takes_the_probe_that_made_the_workspace(foreign_copy: Foreign) -> None:
    bound = Workspace.open(foreign_copy.workspace).probe
    sources = Sources(timesteps=4, noises=2, seed=0, pool=6)
    assert open_or_bind(foreign_copy.workspace, sources, "cpu").probe == bound
    fewer = Sources(pool=1)  # than noises: as many as they
    bind(foreign_copy.workspace, fewer, "cpu")
    assert open_or_bind(foreign_copy.workspace, fewer, "cpu").probe.pool == 2


def test_encoders_can_be_left_out_and_given_later(foreign_copy: Foreign) -> None:
    folder = foreign_copy.workspace
    assert main(["embeddings", "--workspace", str(folder), "--dino", "none"]) == 0
    assert "dino" not in Workspace.open(folder).config.encoders
    shutil.rmtree(folder / "embeddings-dino")
    assert main(["embeddings", "--workspace", str(folder)]) == 0
    assert not (folder / "embeddings-dino").exists()
    assert main(["embeddings", "--workspace", str(folder), "--dino", str(foreign_copy.dino)]) == 0
    assert Workspace.open(folder).artifact(embedding("dino"))


def test_a_workspace_may_go_without_latents(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = foreign_copy.workspace
    before = contents(folder / "losses")
    shutil.rmtree(folder / "latents")
    assert main(["losses", "--workspace", str(folder), "--remake"]) == 2, "it is missed"
    assert main(["seal", "--workspace", str(folder)]) == 0
    assert main(["losses", "--workspace", str(folder), "--chunk", "5", "--remake"]) == 0
    assert contents(folder / "losses") == before
    assert main(["verify", "--workspace", str(folder)]) == 0
    assert main(["status", "--workspace", str(folder)]) == 0
    assert "left out" in capsys.readouterr().out


def test_columns_are_remembered(foreign_copy: Foreign, capsys: pytest.CaptureFixture[str]) -> None:
    """Law: Everything after `init` reads the columns that were named there."""
    metadata = foreign_copy.dataset / "metadata.jsonl"
    renamed = metadata.read_text(encoding="utf-8").replace('"text"', '"words"').replace("file_name", "path")
    metadata.write_text(renamed, encoding="utf-8")
    init = ["init", "--workspace", str(foreign_copy.workspace)]
    assert main(init) == 2
    assert 'has no "file_name"' in capsys.readouterr().err
    named = ["--image-column", "path", "--caption-column", "words"]
    assert main([*init, *named]) == 0
    assert main(init) == 0
    workspace = Workspace.open(foreign_copy.workspace)
    assert workspace.training_set.captions[0] == "a red square"
    assert workspace.artifact(LOSSES), "the training set is the same one"
    assert main([*foreign_copy.arguments(), *named]) == 0
    assert main([*foreign_copy.arguments(), "--caption-column", "text"]) == 2
    assert "is bound to the caption-column words, not text" in capsys.readouterr().err
    other = foreign.make_training_set(foreign_copy.root / "other")
    assert main([*init, "--dataset", str(other)]) == 0
    assert "columns" not in (foreign_copy.workspace / "workspace.json").read_text(encoding="utf-8")


def test_pictures_prepared_otherwise_make_another_workspace(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law: What was made of pictures in one crop is refused in another, and the crop is remembered."""
    config = foreign_copy.workspace / "workspace.json"
    assert "preparation" not in config.read_text(encoding="utf-8")
    init = ["init", "--workspace", str(foreign_copy.workspace)]
    before = Workspace.open(foreign_copy.workspace)
    assert main([*init, "--crop", "pad"]) == 0
    assert main(init) == 0
    workspace = Workspace.open(foreign_copy.workspace)
    with pytest.raises(MismatchError, match=r"training_set .* crop=pad"):
        workspace.artifact(LATENTS)
    picture = workspace.training_set.image(0)
    assert workspace.prepared(picture).tobytes() != before.prepared(picture).tobytes()
    assert main([*foreign_copy.arguments(), "--crop", "center"]) == 2
    assert "is bound to the crop pad, not center" in capsys.readouterr().err
    assert main([*init, "--crop", "bucket"]) == 2
    assert "losses, noise and artifacts are of one latent's shape" in capsys.readouterr().err
    assert main([*init, "--crop", "center"]) == 0
    assert Workspace.open(foreign_copy.workspace).artifact(LATENTS), "they are good again"


def test_another_precision_makes_another_workspace(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law: What was made in one precision is refused in another, and the precision is remembered."""
    init = ["init", "--workspace", str(foreign_copy.workspace)]
    assert main([*init, "--precision", "bf16"]) == 0
    assert main(init) == 0
    workspace = Workspace.open(foreign_copy.workspace)
    model = workspace.model
    assert isinstance(model, PipelineModel)
    assert {weight.dtype for weight in model.unet.parameters()} == {torch.bfloat16}
    assert {weight.dtype for weight in model.weights.values()} == {torch.float32}
    with pytest.raises(MismatchError, match="dtype bfloat16"):
        workspace.artifact(LATENTS)
    assert main([*foreign_copy.arguments(), "--precision", "fp32"]) == 2
    assert "is bound to the precision bf16, not fp32" in capsys.readouterr().err
    assert main([*init, "--precision", "fp32"]) == 0
    assert Workspace.open(foreign_copy.workspace).artifact(LATENTS), "they are good again"


def test_losses_weighed_otherwise_make_another_workspace(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law: What was measured in losses weighed otherwise is refused."""
    folder = str(foreign_copy.workspace)
    assert Workspace.open(folder).fingerprints["loss"] == "v_prediction none"
    assert main([*foreign_copy.arguments(), "--loss-weight", "min-snr"]) == 2
    assert "bound to the loss-weight none, not min-snr" in capsys.readouterr().err
    assert main(["init", "--workspace", folder, "--loss-weight", "min-snr"]) == 0
    bound = Workspace.open(folder)
    assert bound.fingerprints["loss"] == "v_prediction min-snr:5"
    assert bound.model.parametrisation.weight.table is not None
    with pytest.raises(MismatchError, match="loss"):
        bound.artifact(LOSSES)
    assert bound.artifact(embedding("dino")), "a likeness has nothing to do with losses"
    assert main(["init", "--workspace", folder]) == 0
    assert Workspace.open(folder).config.loss_weight == "min-snr:5"


def test_a_table_of_weights_is_kept_with_the_workspace(foreign_copy: Foreign, tmp_path: Path) -> None:
    table = tmp_path / "weights.txt"
    table.write_text("".join(f"{1 + time / 1000}\n" for time in range(1000)))
    folder = str(foreign_copy.workspace)
    assert main(["init", "--workspace", folder, "--loss-weight", f"table:{table}"]) == 0
    bound = Workspace.open(folder).fingerprints["loss"]
    assert main([*foreign_copy.arguments("all")[:5], "--workspace", folder, "--loss-weight", "none"]) == 2
    table.unlink()
    assert main(["init", "--workspace", folder]) == 0
    assert Workspace.open(folder).fingerprints["loss"] == bound
    assert Workspace.open(folder).model.parametrisation.fingerprint == bound


def test_a_checkpoint_is_named_kept_and_taken_away(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law: A checkpoint is bound by name to its bytes, and kept when the workspace is bound anew."""
    early, folder = foreign.make_pipeline(foreign_copy.root / "early", seed=1), foreign_copy.workspace
    init = ["init", "--workspace", str(folder)]
    assert main([*init, "--checkpoint", f"early={early}"]) == 0
    assert main(init) == 0
    workspace = Workspace.open(folder)
    assert workspace.config.checkpoints == {"early": "../early"}
    assert workspace.checkpoint("early").fingerprint == workspace.fingerprints["model@early"]
    assert workspace.checkpoint("") is workspace.model
    missing = {state.artifact for state in states(workspace) if state.state == "missing"}
    assert missing == {"trak@early", "d-trak@early"}
    assert main([*foreign_copy.arguments(), "--checkpoint", "early=elsewhere"]) == 2
    assert "has ../early for its checkpoint early, not elsewhere" in capsys.readouterr().err
    shutil.copytree(foreign_copy.model / "unet", early / "unet", dirs_exist_ok=True)
    with pytest.raises(MismatchError, match=r"the model@early at ../early has fingerprint"):
        Workspace.open(folder).checkpoint("early")
    assert main([*init, "--checkpoint", "early=none"]) == 0
    with pytest.raises(MissingArtifactError, match="init --checkpoint early=FOLDER"):
        Workspace.open(folder).checkpoint("early")


@pytest.mark.parametrize("words", ["early", "=folder", "a@b=folder", "a,b=folder", "early="])
def test_a_checkpoint_without_name_or_folder_is_refused(words: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["init", "--workspace", str(tmp_path), "--checkpoint", words])
