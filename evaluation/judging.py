"""What a judge's command says of pictures."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from attribution.errors import ResultError

Verdicts = dict[str, dict[str, dict[str, float]]]  # how likely, by picture, by what is asked and by answer


def verdicts_of(command: Sequence[str], out: Path, name: str) -> Verdicts:
    """Run a judge's command; returns what it wrote.

    Args:
        out: the file that it writes.
        name: what the judge is called in an error.

    Raises:
        ResultError: the command fails, or writes nothing.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not out.exists():
        last = (done.stderr.strip().splitlines() or ["it wrote nothing"])[-1]
        raise ResultError(f"{name} failed: {last}")
    said: Verdicts = json.loads(out.read_text(encoding="utf-8"))
    return said
