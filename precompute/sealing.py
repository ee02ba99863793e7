"""Write a workspace's root manifest anew: of one that has none, or that was changed on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attribution.analysis.evidence import FILE as EVIDENCE
from attribution.workspace.config import CONFIG, INDEX, LOSS_TABLE, Config
from attribution.workspace.root_manifest import MANIFEST, artifacts_in, record
from attribution.workspace.workspace import Workspace
from precompute.status import changed_pictures, damaged_artifacts

COVERED = (CONFIG, INDEX, LOSS_TABLE, EVIDENCE)


def seal(folder: Path, progress: Callable[[int, int], None]) -> list[str]:
    """Hash every picture and artifact that is there, compare all with their own lists, and record them.

    Nothing is computed again, and no model is read.

    Args:
        progress: called as `progress(done, total)` after each picture hashed.

    Returns:
        What is wrong; then the root manifest is left as it was.

    Raises:
        WhenceError: the configuration or the training set cannot be read.
    """
    with _uncompared(folder):
        workspace = Workspace(folder, Config.load(folder))
        found = [*changed_pictures(workspace, progress), *damaged_artifacts(workspace, absent_too=False)]
        if not found:
            record(folder, COVERED, artifacts_in(folder))
    return found


@contextmanager
def _uncompared(folder: Path) -> Iterator[None]:
    """Have nothing compared with the present root manifest; it is put back unless another is written."""
    path, aside = folder / MANIFEST, folder / f"{MANIFEST}.old"
    if path.exists():
        path.replace(aside)
    try:
        yield
    finally:
        if aside.exists() and not path.exists():
            aside.replace(path)
        aside.unlink(missing_ok=True)
