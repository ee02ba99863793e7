"""Laws of interruption: the same command again goes on, and makes the same bytes."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from functools import reduce
from pathlib import Path

import numpy as np
import pytest
import torch

from attribution.gradients.fisher import Sums, summed
from attribution.gradients.stored import FISHER
from attribution.workspace.baseline import LOSSES
from attribution.workspace.workspace import Workspace
from precompute.__main__ import main
from precompute.jobs.base import job_of, with_options
from precompute.jobs.curvature import chunk_of, sums_of
from precompute.running import Execution, run
from precompute.status import states
from tests.conftest import Foreign
from tests.worlds import ROOT, TINY
from tests.worlds.folders import contents, few_scenes


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


def test_an_expectation_keeps_its_sum_alone_and_comes_to_the_same_bytes(foreign_copy: Foreign) -> None:
    """Law: What is kept of an unfinished expectation does not grow with the training set."""
    reference = contents(foreign_copy.workspace / "fisher")
    workspace, how = Workspace.open(foreign_copy.workspace), Execution(chunk=5)
    job, part = with_options(job_of(FISHER), {"draws": 2}), foreign_copy.workspace / "fisher.part"
    for sitting in range(5):
        steps = run(workspace, job, how, remake=True)
        assert next(steps).done == 5 * sitting
        next(steps)
        steps.close()
        kept = sorted(part.glob("sum-*"))
        assert len(kept) == min(sitting + 1, 2)
        assert not list(part.glob("chunk-*"))
    assert _state_of(workspace, "fisher") == "5 of 5 chunks"
    kept[-1].write_bytes(kept[-1].read_bytes()[:-1])  # as a power cut might leave it
    steps = run(workspace, job, how, remake=True)
    assert next(steps).done == 20
    for _ in steps:
        pass
    assert contents(foreign_copy.workspace / "fisher") == reference


def test_sums_that_are_added_as_they_come_are_those_of_all_at_once() -> None:
    """Law: An expectation is the same to the last bit, however its chunks were kept."""
    numbers = np.random.default_rng(0)
    parts = [
        chunk_of(
            Sums(
                {"w": torch.from_numpy(numbers.lognormal(0, 9, (4, 3)))},
                k + 1,
                {"w": torch.from_numpy(numbers.random(3))},
            )
        )
        for k in range(7)
    ]
    job = job_of(FISHER)
    expected = chunk_of(summed(map(sums_of, parts)))
    for array in parts[0].values():
        array.flags.writeable = False  # as what another process made is
    total = reduce(job.added, parts)
    assert total.keys() == expected.keys()
    assert all(np.array_equal(total[name], expected[name]) for name in expected)


def _state_of(workspace: Workspace, artifact: str) -> str:
    shutil.rmtree(workspace.folder / artifact)
    workspace.forget()
    (found,) = (state for state in states(workspace) if state.artifact == artifact)
    return found.detail.partition(";")[0]


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
