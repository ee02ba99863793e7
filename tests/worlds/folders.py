"""What a folder holds, to see whether it was changed; and a small one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.worlds import TINY


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder and its bytes."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def few_scenes(folder: Path, count: int = 6) -> Path:
    """The first scenes of the tiny world."""
    folder.mkdir()
    lines = (TINY / "scenes" / "metadata.jsonl").read_text().splitlines()[:count]
    for line in lines:
        shutil.copy(TINY / "scenes" / json.loads(line)["file_name"], folder)
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return folder
