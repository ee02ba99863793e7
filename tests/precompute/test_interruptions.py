"""Laws of interruption: the same command again goes on, and makes the same bytes."""

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

import pytest

from attribution.workspace.baseline import LOSSES
from attribution.workspace.workspace import Workspace
from precompute.__main__ import main
from precompute.executors.local import Execution, run
from precompute.jobs.base import job_of
from tests.conftest import Foreign
from tests.worlds import ROOT, TINY
from tests.worlds.folders import contents


def test_an_interrupted_job_continues_and_makes_the_same_bytes(foreign_copy: Foreign) -> None:
    reference = contents(foreign_copy.workspace / "losses")
    workspace, how = Workspace.open(foreign_copy.workspace), Execution(chunk=5)
    made = []
    for sitting in range(5):
        steps = run(workspace, job_of(LOSSES), how, remake=True)
        first = next(steps)
        made.append(first.done)
        next(steps)
        steps.close()  # as an interruption would
        assert (foreign_copy.workspace / "losses.part").exists() == (sitting < 5)
    assert made == [0, 5, 10, 15, 20]
    for _ in run(workspace, job_of(LOSSES), how, remake=True):
        pass
    assert contents(foreign_copy.workspace / "losses") == reference


def test_ctrl_c_ends_with_130_and_a_way_on(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    folder = str(foreign_copy.workspace)
    monkeypatch.setattr(type(job_of(LOSSES)), "chunk", interrupted)
    assert main(["losses", "--workspace", folder, "--remake"]) == 130
    assert capsys.readouterr().err.strip().endswith("stopped; run the same command again to continue")
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


KILLS = 8


def exit_with_status(arguments: list[str]) -> None:
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115  its progress is not the test's
    raise SystemExit(main(arguments))


@pytest.mark.slow
def test_sigkill_at_random_moments_changes_no_byte(tmp_path: Path) -> None:
    """Law: Jobs that are killed at random moments make the same bytes in the end.

    Kill `all` on the tiny world again and again; whenever it gets to its end, begin anew.
    """
    arguments = ["all", "--model", str(TINY / "model"), "--dataset", str(few_scenes(tmp_path / "scenes"))]
    arguments += [f"--clip={TINY / 'encoders' / 'clip'}", f"--dino={TINY / 'encoders' / 'dino'}"]
    arguments += ["--timesteps", "2", "--draws", "2", "--chunk", "2"]
    arguments += ["--controls", "2", "--dimensions", "64"]
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
    reference, moments, kills = contents(tmp_path / "reference"), random.Random(0), 0
    assert contents(tmp_path / "warm") == reference
    while kills < KILLS:
        if sitting(tmp_path / "killed", moments.uniform(0, 0.5 * whole)):
            assert contents(tmp_path / "killed") == reference
            shutil.rmtree(tmp_path / "killed")
        else:
            kills += 1
    assert sitting(tmp_path / "killed", None)
    assert contents(tmp_path / "killed") == reference


def few_scenes(folder: Path, count: int = 6) -> Path:
    """The first scenes of the tiny world."""
    folder.mkdir()
    lines = (TINY / "scenes" / "metadata.jsonl").read_text().splitlines()[:count]
    for line in lines:
        shutil.copy(TINY / "scenes" / json.loads(line)["file_name"], folder)
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return folder
