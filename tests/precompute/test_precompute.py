"""Laws of the offline jobs."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from attribution.models.losses import example_losses
from attribution.workspace.workspace import Workspace
from precompute.__main__ import main
from precompute.bars import rate_and_time_left
from precompute.executors.local import jobs, run
from precompute.jobs import Options
from precompute.jobs.fisher import JOB as FISHER
from precompute.jobs.losses import JOB as LOSSES
from tests.conftest import Foreign
from tests.worlds import ROOT, TINY, foreign

ARTIFACTS = {
    "latents",
    "losses",
    "fisher",
    "kfac",
    "ekfac",
    "gradients",
    "controls",
    "embeddings-clip",
    "embeddings-clip-text",
    "embeddings-dino",
    "embeddings-pixel",
}


def tree(root: Path) -> dict[str, bytes]:
    """Every file under a folder and its bytes."""
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.strip()


# --- what is made ---------------------------------------------------------------------------------


def test_all_makes_every_artifact_and_leaves_nothing_else(foreign_world: Foreign) -> None:
    folder = foreign_world.workspace
    assert {path.name for path in folder.iterdir() if path.is_dir()} == ARTIFACTS
    assert {path.name for path in folder.iterdir() if path.is_file()} == {
        "workspace.json",
        "training_set.json",
    }


@pytest.mark.slow
def test_two_runs_make_the_same_bytes(foreign_world: Foreign) -> None:
    """Law: Two runs of every job make the same bytes."""
    again = foreign_world.root / "again"
    assert main(foreign_world.arguments(workspace=again)) == 0
    assert tree(again) == tree(foreign_world.workspace)


def test_losses_are_those_of_the_library_whatever_the_chunks(foreign_world: Foreign) -> None:
    workspace = Workspace.open(foreign_world.workspace)
    model, training_set = workspace.model, workspace.training_set
    whole = example_losses(
        model,
        model.weights,
        workspace.latents(range(len(training_set))),
        model.encode_captions(training_set.captions),
        training_set.ids,
        workspace.probe,
        noises=range(workspace.probe.pool),
    )
    np.testing.assert_allclose(workspace.losses(), whole, rtol=2e-5)


def test_fisher_does_not_depend_on_the_chunks_beyond_rounding(foreign_copy: Foreign) -> None:
    workspace = Workspace.open(foreign_copy.workspace)
    before = workspace.fisher()
    for _ in run(workspace, FISHER, Options(chunk=7, draws=2), remake=True):
        pass
    after = workspace.fisher()
    assert after.keys() == before.keys()
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-4)


# --- what is not made again ------------------------------------------------------------------------


def test_what_is_there_is_not_made_again(foreign_copy: Foreign, capsys: pytest.CaptureFixture[str]) -> None:
    manifests = sorted(foreign_copy.workspace.glob("*/manifest.json"))
    before = [path.stat().st_mtime_ns for path in manifests]
    assert main(foreign_copy.arguments()) == 0
    assert [path.stat().st_mtime_ns for path in manifests] == before
    assert said(capsys).count("is there already") == len(ARTIFACTS)


def test_other_draws_make_the_fisher_information_again(foreign_copy: Foreign) -> None:
    workspace = Workspace.open(foreign_copy.workspace)
    before = workspace.artifact("fisher").manifest
    assert main(["fisher", "--workspace", str(foreign_copy.workspace), "--draws", "1"]) == 0
    after = Workspace.open(foreign_copy.workspace).artifact("fisher").manifest
    assert (before["settings"]["draws"], after["settings"]["draws"]) == (2, 1)


def test_remake_makes_it_again_with_the_same_bytes(foreign_copy: Foreign) -> None:
    before = tree(foreign_copy.workspace)
    changed = (foreign_copy.workspace / "embeddings-pixel" / "manifest.json").stat().st_mtime_ns
    folder = str(foreign_copy.workspace)
    assert main(["embeddings", "--workspace", folder, "--remake", "--chunk", "5"]) == 0
    assert tree(foreign_copy.workspace) == before
    assert (foreign_copy.workspace / "embeddings-pixel" / "manifest.json").stat().st_mtime_ns != changed


def test_a_damaged_artifact_is_made_again(foreign_copy: Foreign) -> None:
    before = tree(foreign_copy.workspace)
    path = foreign_copy.workspace / "latents" / "latents.npy"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\x3f")
    assert main(foreign_copy.arguments()) == 0
    assert tree(foreign_copy.workspace) == before


def test_an_interrupted_job_continues_and_makes_the_same_bytes(foreign_copy: Foreign) -> None:
    reference = tree(foreign_copy.workspace / "losses")
    workspace, options = Workspace.open(foreign_copy.workspace), Options(chunk=5, draws=2)
    made = []
    for sitting in range(5):
        steps = run(workspace, LOSSES, options, remake=True)
        first = next(steps)
        made.append(first.done)
        next(steps)
        steps.close()  # as an interruption would
        assert (foreign_copy.workspace / "losses.part").exists() == (sitting < 5)
    assert made == [0, 5, 10, 15, 20]
    for _ in run(workspace, LOSSES, options, remake=True):
        pass
    assert tree(foreign_copy.workspace / "losses") == reference


# --- binding --------------------------------------------------------------------------------------


def test_init_alone_computes_nothing(foreign_copy: Foreign, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    assert main(foreign_copy.arguments("init", folder)) == 0
    assert {path.name for path in folder.iterdir()} == {"workspace.json", "training_set.json"}
    assert Workspace.open(folder).probe.timesteps == (125, 375, 625, 875)


def test_init_again_keeps_what_is_not_given(foreign_copy: Foreign) -> None:
    before = tree(foreign_copy.workspace)
    assert main(["init", "--workspace", str(foreign_copy.workspace)]) == 0
    assert tree(foreign_copy.workspace) == before


def test_init_again_mends_a_changed_training_set(foreign_copy: Foreign) -> None:
    metadata = foreign_copy.dataset / "metadata.jsonl"
    metadata.write_text(metadata.read_text().replace("a red", "a scarlet"))
    folder = str(foreign_copy.workspace)
    assert main(["losses", "--workspace", folder]) == 2
    assert main(["init", "--workspace", folder]) == 0
    assert main(foreign_copy.arguments()) == 0
    assert Workspace.open(folder).losses().shape == (22, 4, 6)


def test_all_refuses_to_repoint_a_workspace(
    foreign_copy: Foreign, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = foreign.make_training_set(tmp_path / "other", 4)
    arguments = foreign_copy.arguments()
    arguments[arguments.index("--dataset") + 1] = str(other)
    assert main(arguments) == 2
    assert f"is bound to the dataset ../pictures, not {other}" in said(capsys)


def test_encoders_can_be_left_out_and_given_later(foreign_copy: Foreign) -> None:
    folder = foreign_copy.workspace
    assert main(["embeddings", "--workspace", str(folder), "--dino", "none"]) == 0
    assert "dino" not in Workspace.open(folder).config.encoders
    shutil.rmtree(folder / "embeddings-dino")
    assert main(["embeddings", "--workspace", str(folder)]) == 0
    assert not (folder / "embeddings-dino").exists()
    assert main(["embeddings", "--workspace", str(folder), "--dino", str(foreign_copy.dino)]) == 0
    assert Workspace.open(folder).artifact("embeddings-dino")


def test_all_is_every_artifact_and_what_others_read_comes_first(foreign_world: Foreign) -> None:
    workspace = Workspace.open(foreign_world.workspace)
    names = [job.artifact for job in jobs(workspace, "all")]
    assert (set(names), names[0]) == (ARTIFACTS, "latents")
    assert [job.artifact for job in jobs(workspace, "losses")] == ["losses"]


def test_a_workspace_may_go_without_latents(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = foreign_copy.workspace
    before = tree(folder / "losses")
    shutil.rmtree(folder / "latents")
    assert main(["losses", "--workspace", str(folder), "--chunk", "5", "--remake"]) == 0
    assert tree(folder / "losses") == before
    assert main(["verify", "--workspace", str(folder)]) == 0
    assert main(["status", "--workspace", str(folder)]) == 0
    assert "left out" in capsys.readouterr().out


# --- status and verify ----------------------------------------------------------------------------


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
    steps = run(Workspace.open(folder), LOSSES, Options(chunk=5))
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
    problems = said(capsys).splitlines()
    assert len(problems) == 3
    for problem, word in zip(problems, ("004.png", "the model at", "losses.npy has sha256"), strict=True):
        assert word in problem


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: "),
        (["everything"], "invalid choice"),
        (["all"], "required: --workspace"),
        (["all", "--workspace", "{new}"], "give --model PIPELINE_FOLDER_OR_HUB_ID and --dataset FOLDER"),
        (["init", "--workspace", "{new}", "--model", "{model}"], "and --dataset FOLDER"),
        (["init", "--workspace", "{new}", "--model", "{set}", "--dataset", "{set}"], "pipeline"),
        (
            ["init", "--workspace", "{new}", "--model", "{model}", "--dataset", "{model}"],
            "no metadata.jsonl",
        ),
        (
            ["init", "--workspace", "{new}", "--model", "{model}", "--dataset", "{set}", "--clip", "{set}"],
            "as a CLIP encoder: pass the folder of a transformers checkpoint with --clip FOLDER, or go",
        ),
        (["init", "--workspace", "{old}", "--timesteps", "7"], "7 timesteps do not divide"),
        (["init", "--workspace", "{old}", "--timesteps", "0"], "0 is not at least 1"),
        (["init", "--workspace", "{old}", "--noises", "two"], "invalid"),
        (["losses", "--workspace", "{new}"], "is not a workspace"),
        (["losses", "--workspace", "{old}", "--chunk", "0"], "0 is not at least 1"),
        (["losses", "--workspace", "{old}", "--device", "tpu"], "device 'tpu' is not known"),
        (["status", "--workspace", "{set}"], "is not a workspace"),
    ],
)
def test_bad_input_is_one_clear_line_and_status_2(
    foreign_world: Foreign,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    places = {
        "new": tmp_path / "new",
        "old": foreign_world.workspace,
        "model": foreign_world.model,
        "set": foreign_world.dataset,
    }
    given = [argument.format(**places) for argument in arguments]
    if "{new}" in arguments and "--model" in arguments and "--clip" not in arguments:
        given += ["--clip", "none", "--dino", "none"]
    try:
        status = main(given)
    except SystemExit as exit:  # argparse's own
        status = int(exit.code or 0)
    lines = said(capsys).splitlines()
    assert status == 2
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert not (tmp_path / "new").exists()


def test_a_damaged_training_picture_is_named(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = foreign_copy.dataset / "pictures" / "004.png"
    picture.write_bytes(picture.read_bytes()[:150])
    assert main(["init", "--workspace", str(foreign_copy.workspace)]) == 0
    assert main(["latents", "--workspace", str(foreign_copy.workspace)]) == 2
    assert "004.png' is cut short or damaged" in said(capsys)


def test_an_unreachable_hub_is_one_line_that_says_what_to_do(
    foreign_copy: Foreign,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from transformers import CLIPModel

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("We couldn't connect\nto the hub\n\nat all")

    monkeypatch.setattr(CLIPModel, "from_pretrained", unreachable)
    arguments = ["init", "--model", foreign_copy.model, "--dataset", foreign_copy.dataset]
    assert main([*map(str, arguments), "--workspace", str(tmp_path / "new")]) == 2
    lines = said(capsys).splitlines()
    assert len(lines) == 1
    for word in ("openai/clip-vit-base-patch32", "--clip FOLDER", "--clip none"):
        assert word in lines[0]


# --- interruptions --------------------------------------------------------------------------------


def test_the_rate_and_the_time_left_are_said() -> None:
    assert rate_and_time_left(0, 100, 3) == ""
    assert rate_and_time_left(50, 100, 10) == "5.0/s, 0:20 left"
    assert rate_and_time_left(50, 100_000, 10) == "5.0/s, 5h 33m left"
    assert rate_and_time_left(50, 0, 10) == "5.0/s, 10 s"


def test_ctrl_c_ends_with_130_and_a_way_on(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    folder = str(foreign_copy.workspace)
    monkeypatch.setattr(type(LOSSES), "chunk", interrupted)
    assert main(["losses", "--workspace", folder, "--remake"]) == 130
    assert said(capsys).endswith("stopped; run the same command again to continue")
    assert not (foreign_copy.workspace / "losses.lock").exists()


@pytest.mark.slow
def test_a_real_sigint_ends_a_real_process_with_130_and_no_traceback(foreign_copy: Foreign) -> None:
    command = [sys.executable, "-m", "precompute", "losses", "--workspace", str(foreign_copy.workspace)]
    process = subprocess.Popen(
        [*command, "--remake", "--chunk", "1"], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    part = foreign_copy.workspace / "losses.part"
    deadline = time.monotonic() + 300
    while not list(part.glob("chunk-*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "run the same command again" in errors


def exit_with_status(arguments: list[str]) -> None:
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115  its progress is not the test's
    raise SystemExit(main(arguments))


@pytest.mark.slow
def test_sigkill_at_20_random_moments_changes_no_byte(tmp_path: Path) -> None:
    """Law: Jobs that are killed at random moments make the same bytes in the end.

    Kill `all` on the tiny world again and again; whenever it gets to its end, begin anew.
    """
    arguments = ["all", "--model", str(TINY / "model"), "--dataset", str(few_scenes(tmp_path / "scenes"))]
    arguments += [f"--clip={TINY / 'encoders' / 'clip'}", f"--dino={TINY / 'encoders' / 'dino'}"]
    arguments += [
        "--timesteps",
        "2",
        "--draws",
        "2",
        "--chunk",
        "3",
        "--controls",
        "2",
        "--dimensions",
        "64",
    ]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["precompute.__main__", "attribution.models.stable_diffusion"])

    def sitting(workspace: Path, seconds: float | None) -> bool:
        """Run, kill after some seconds; whether it got to its end."""
        given = [*arguments, "--workspace", str(workspace)]
        process = context.Process(target=exit_with_status, args=(given,))
        process.start()
        process.join(seconds)
        process.kill()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        return process.exitcode == 0

    assert sitting(tmp_path / "warm", None)  # the first starts the server
    started = time.monotonic()
    assert sitting(tmp_path / "reference", None)
    whole = time.monotonic() - started
    reference, moments, kills = tree(tmp_path / "reference"), random.Random(0), 0
    assert tree(tmp_path / "warm") == reference
    while kills < 20:
        if sitting(tmp_path / "killed", moments.uniform(0, 0.7 * whole)):
            assert tree(tmp_path / "killed") == reference
            shutil.rmtree(tmp_path / "killed")
        else:
            kills += 1
    assert sitting(tmp_path / "killed", None)
    assert tree(tmp_path / "killed") == reference


def few_scenes(folder: Path, count: int = 10) -> Path:
    """The first scenes of the tiny world."""
    folder.mkdir()
    lines = (TINY / "scenes" / "metadata.jsonl").read_text().splitlines()[:count]
    for line in lines:
        shutil.copy(TINY / "scenes" / json.loads(line)["file_name"], folder)
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return folder
