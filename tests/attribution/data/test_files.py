"""Laws of what lies below a folder."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from attribution.data.files import files_below, folder_whole
from attribution.models.pipeline_files import fingerprint_of
from tests.worlds import TINY


def test_files_below_a_folder_are_all_files_in_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a/c.txt", "a/d/e.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert files_below(tmp_path) == [tmp_path / name for name in ("a/c.txt", "a/d/e.txt", "b.txt")]
    assert files_below(tmp_path / "nowhere") == []


def test_a_folder_is_there_once_it_is_whole(tmp_path: Path) -> None:
    """Law: A folder that is made in one go is there whole or not at all, and leaves nothing else behind."""
    wanted, left = tmp_path / "head", tmp_path / "head.part"
    left.mkdir()
    (left / "of a killed one").touch()
    with suppress(ZeroDivisionError), folder_whole(wanted) as part:
        (part / "half").touch()
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with folder_whole(wanted) as part:
        (part / "all").touch()
        assert not wanted.exists()
    assert [path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path)] == ["head/all"]


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "tokenizer"])
def test_a_folder_that_cannot_be_listed_is_never_left_out(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: A model whose files cannot all be listed has no fingerprint: never that of fewer files."""
    model, scandir = TINY / "model", os.scandir

    def refusing(path: Any = ".") -> Any:
        if Path(path) == model / part:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    assert fingerprint_of(model)
    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(PermissionError, match="Permission denied"):
        fingerprint_of(model)
