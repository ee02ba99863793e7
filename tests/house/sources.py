"""The files of the repository, for laws about them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.worlds import ROOT


def tracked() -> list[Path]:
    """Every file that git tracks and that is there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]
