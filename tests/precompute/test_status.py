"""Laws of `status` and `verify`."""

from __future__ import annotations

import json
import shutil

import pytest

from attribution.workspace.baseline import LOSSES
from attribution.workspace.workspace import Workspace
from precompute.__main__ import main
from precompute.jobs.base import job_of
from precompute.running import Execution, run
from tests.conftest import Foreign
from tests.worlds import foreign
from tests.worlds.tar_files import write_tar


def test_status_says_what_is_ready_missing_stale_damaged_and_unfinished(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    folder = foreign_copy.workspace
    shutil.rmtree(folder / "fisher")
    (folder / "embeddings-dino" / "manifest.json").write_text("{")
    manifest = folder / "embeddings-clip" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"resolution": "16"', '"resolution": "99"'))
    shutil.rmtree(folder / "losses")
    steps = run(Workspace.open(folder), job_of(LOSSES), Execution(chunk=5))
    next(steps), next(steps)
    steps.close()
    assert main(["status", "--workspace", str(folder)]) == 0
    lines = {line.split()[1]: line for line in capsys.readouterr().out.splitlines() if line.startswith("│")}
    for artifact, word in {
        "latents": "ready",
        "fisher": "missing",
        "embeddings-dino": "damaged",
        "embeddings-clip": "stale",
        "losses": "unfinished",
    }.items():
        assert word in lines[artifact]
    assert "1 of 5 chunks" in lines["losses"]


def test_verify_finds_every_change(foreign_copy: Foreign, capsys: pytest.CaptureFixture[str]) -> None:
    folder = foreign_copy.workspace
    verify = ["verify", "--workspace", str(folder)]
    assert main(verify) == 0
    picture = foreign_copy.dataset / "pictures" / "004.png"
    picture.write_bytes(picture.read_bytes() + b"x")
    losses = folder / "losses" / "losses.npy"
    losses.write_bytes(losses.read_bytes()[:-1] + b"\x01")
    config = foreign_copy.model / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace("0.02", "0.03"))
    capsys.readouterr()
    assert main(verify) == 2
    problems = capsys.readouterr().err.splitlines()
    assert len(problems) == 3
    for problem, word in zip(problems, ("004.png", "the model at", "losses.npy has sha256"), strict=True):
        assert word in problem


def test_verify_names_every_model_that_has_changed(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law: Verifying looks at the model, its checkpoints and all encoders, whatever it finds of another."""
    verify = ["verify", "--workspace", str(foreign_copy.workspace)]
    early = foreign.make_pipeline(foreign_copy.root / "early", seed=1)
    assert main(["init", *verify[1:], "--checkpoint", f"early={early}"]) == 0
    shutil.copytree(foreign_copy.model / "unet", early / "unet", dirs_exist_ok=True)
    (foreign_copy.dino / "config.json").write_text("{")
    capsys.readouterr()
    assert main(verify) == 2
    said = capsys.readouterr().err
    assert "the model@early at ../early has fingerprint" in said
    assert "as a DINO encoder" in said
    shutil.rmtree(foreign_copy.model / "unet")
    assert main(verify) == 2
    said = capsys.readouterr().err
    assert said.count("unet/config.json is missing") == 1
    assert "as a DINO encoder" in said


def test_what_was_made_of_a_folder_is_good_for_the_same_pictures_in_shards(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law: Artifacts do not depend on whether a training set's pictures are files or lie in shards."""
    before = Workspace.open(foreign_copy.workspace)
    members: dict[str, bytes | str] = {}
    for example in before.training_set.examples:
        members[example.file_name] = before.training_set.pictures.data(example.file_name)
        said = {"text": example.caption, "id": example.id}
        members[example.file_name.replace(".png", ".json")] = json.dumps(said)
    shard = write_tar(foreign_copy.root / "shards" / "000.tar", **members)
    verify = ["verify", "--workspace", str(foreign_copy.workspace)]
    assert main(["init", *verify[1:], "--dataset", str(shard.parent)]) == 0
    after = Workspace.open(foreign_copy.workspace)
    assert after.fingerprints == before.fingerprints
    assert after.training_set.image(7).tobytes() == before.training_set.image(7).tobytes()
    assert main(verify) == 0
    capsys.readouterr()
    shard.write_bytes(shard.read_bytes().replace(b"red", b"rad", 1))
    assert main(verify) == 2
    assert "1 shard has changed in " in capsys.readouterr().err
