"""Laws of timing executors: what is compared are the same bytes, and efficiency is what its words say."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.executors import Taken, report
from tests.worlds import TINY


def test_efficiency_is_against_the_mean_of_one_process_before_and_after() -> None:
    asked = argparse.Namespace(images=1_100, chunk=100, job="latents", executor="ray")
    taken = [
        Taken(None, 1.0, 11.0, 10.0, 0.0, b""),
        Taken(2, 3.0, 9.25, 2.0, 10.0, b""),
        Taken(None, 1.0, 16.0, 14.0, 0.0, b""),
    ]
    first, both, last = report(taken, asked, 8, {}).figures["times"]
    rate = (100 + 1_000 / 15) / 2  # images a second of one process
    assert (first["faster"], last["faster"]) == (
        pytest.approx(100 / rate),
        pytest.approx(1_000 / 15 / rate),
    )
    assert both["faster"] == pytest.approx(160 / rate)
    assert both["by_processor"] == pytest.approx(12 / 12)


@pytest.mark.slow
def test_workers_are_timed_on_bytes_that_are_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [
        "executors",
        "--workspace",
        str(TINY / "workspace"),
        "--cache",
        str(tmp_path),
        "--images",
        "40",
    ]
    assert main([*asked, "--chunk", "8", "--workers", "2"]) == 0
    told = capsys.readouterr().out
    assert "| 2 workers |" in told
    assert told.count("| one process |") == 2
    assert main([*asked, "--chunk", "40"]) == 2
    assert "give more --images" in capsys.readouterr().err
