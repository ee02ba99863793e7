"""Tar files as WebDataset has them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path


def write_tar(path: Path, **members: bytes | str) -> Path:
    """A tar file of these members, "000.png" among them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as opened:
        for name, data in members.items():
            content = data.encode() if isinstance(data, str) else data
            info = tarfile.TarInfo(name)
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
    return path
