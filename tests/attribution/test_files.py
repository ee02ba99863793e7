"""Laws of what the rooms share about files from outside."""

from __future__ import annotations

import hashlib
from pathlib import Path

from attribution.data.files import file_sha256


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5_000
    (tmp_path / "file").write_bytes(data)
    assert file_sha256(tmp_path / "file") == hashlib.sha256(data).hexdigest()
