"""Laws of `status` and `verify`."""

from __future__ import annotations

import shutil

import pytest

from attribution.workspace.baseline import LOSSES
from attribution.workspace.workspace import Workspace
from precompute.__main__ import main
from precompute.executors.local import Execution, run
from precompute.jobs.base import job_of
from tests.conftest import Foreign


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
