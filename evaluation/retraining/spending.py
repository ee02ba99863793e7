"""The processor time that a job's commands took, kept in its folder."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from evaluation.files import write_whole


def seconds_of(process: subprocess.Popen[bytes], how: int) -> float | None:
    """The seconds of processor time that a command took, if it has ended."""
    pid, status, usage = os.wait4(process.pid, how)
    if pid == 0:
        return None
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def spent(folder: Path) -> float:
    """Processor seconds that a job's commands took so far; those of a killed one are not known."""
    path = folder / "spent.json"
    return float(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else 0.0


def spend(folder: Path, seconds: float) -> None:
    """Add to what a job took."""
    write_whole(folder / "spent.json", json.dumps(spent(folder) + seconds).encode())
