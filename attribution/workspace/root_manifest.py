"""The root manifest: a workspace's own, whose hashes cover all that it is.

`manifest.json` in a workspace's folder has the sha256 of the files that lie beside it (configuration, the
training set's index, a table of loss weights, evidence) and of every artifact's own manifest, which has
those of its files. Whatever is read is compared with it, so that what was changed by a hand, a disk or
another workspace is refused rather than believed.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from attribution.data.files import file_sha256, first_problem, sync, write_durably
from attribution.errors import CorruptArtifactError, WorkspaceError

MANIFEST = "manifest.json"
LOCK = "manifest.lock"  # held (flock) by the one that is writing it
NEXT = ".next"  # how the names of files end that are promised and not yet in place
FORMAT: Literal[1] = 1
PATIENCE = 60.0  # seconds that one job waits for another that is writing it, a matter of milliseconds

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class RootManifest(BaseModel):
    """What a workspace is made of.

    Attributes:
        files: sha256 of the files that lie in the workspace's folder, by name.
        artifacts: sha256 of each artifact's manifest, by the artifact's folder.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    format: Literal[1] = FORMAT
    files: dict[str, Sha256] = {}
    artifacts: dict[str, Sha256] = {}

    @classmethod
    def load(cls, folder: Path) -> RootManifest | None:
        """Return a folder's; None if it has none.

        Raises:
            WorkspaceError: it is damaged.
        """
        path = folder / MANIFEST
        try:
            return cls.model_validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValidationError as refused:
            raise WorkspaceError(f"{path} is damaged: {first_problem(refused)}: {_mend(folder)}") from None
        except OSError as problem:
            raise WorkspaceError(f"{path} cannot be read ({problem.strerror}): {_mend(folder)}") from None

    @cached_property
    def digest(self) -> str:
        """Of everything that answers depend on: what an answer names as its workspace."""
        told = {"artifacts": self.artifacts, "files": self.files}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]

    def check_file(self, path: Path, data: bytes | None) -> None:
        """Compare the bytes of a file beside the manifest; None for a file that is not there.

        Raises:
            WorkspaceError: they are not those that were recorded; says how to mend it.
        """
        promised = self.files.get(path.name)
        found = None if data is None else hashlib.sha256(data).hexdigest()
        if found != promised:
            raise WorkspaceError(f"{path} {_difference(found, promised)}: {_mend(path.parent)}")

    def check_artifact(self, folder: Path, manifest: bytes, mending: str) -> None:
        """Compare the bytes of an artifact's manifest.

        Args:
            mending: the command that makes the artifact.

        Raises:
            CorruptArtifactError: they are not those that were recorded; says how to mend it.
        """
        found, promised = hashlib.sha256(manifest).hexdigest(), self.artifacts.get(folder.name)
        if found != promised:
            raise CorruptArtifactError(
                f"{folder / MANIFEST} {_difference(found, promised)}: make it again with `{mending} "
                f"--remake`, or, if it was changed on purpose, take it as it is with "
                f"`{sealing_command(folder.parent)}`"
            )


def sealing_command(folder: Path) -> str:
    """Return the command that takes a workspace as it is, whatever its manifest said."""
    return f"python -m precompute seal --workspace {shlex.quote(str(folder))}"


def checked_bytes(path: Path) -> bytes | None:
    """Return a file that lies in a workspace's folder, the very bytes compared with the root manifest.

    None if there is no such file, and none is recorded. Where there is no manifest nothing is compared.

    Raises:
        WorkspaceError: it is not the file that was recorded.
        OSError: it cannot be read.
    """
    known = RootManifest.load(path.parent)
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        data = None
    if known is not None:
        known.check_file(path, data)
    return data


def publish(folder: Path, files: Mapping[str, bytes], beside: Iterable[str] = ()) -> None:
    """Write files that lie in a workspace's folder, all or none of them, the last one last.

    They are written under other names, promised by the manifest, and put in place. Of an interruption
    before the promise nothing is seen; `go_on` puts in place what one behind it has left.

    Args:
        beside: further files, that are recorded as they are.

    Raises:
        WorkspaceError: the manifest is damaged.
    """
    for name, data in files.items():
        write_durably(folder / f"{name}{NEXT}", data)
    record(folder, beside, coming=files)
    for name in files:
        (folder / f"{name}{NEXT}").replace(folder / name)
    sync(folder)


def go_on(folder: Path) -> None:
    """Put in place what the manifest promises and an interrupted `publish` has left beside it.

    Where that cannot be done, the files are refused as they are read.

    Raises:
        WorkspaceError: the manifest is damaged.
    """
    known = RootManifest.load(folder)
    promised = {} if known is None else known.files
    for path in folder.glob(f"*{NEXT}"):
        with suppress(OSError):
            if file_sha256(path) == promised.get(path.name.removesuffix(NEXT)):
                path.replace(path.with_name(path.name.removesuffix(NEXT)))


def record(
    folder: Path,
    files: Iterable[str] = (),
    artifacts: Iterable[str] = (),
    coming: Mapping[str, bytes] | None = None,
) -> RootManifest:
    """Write down some files and artifacts as they are now; those that are gone are no longer listed.

    Args:
        coming: what further files will hold, by name.

    Raises:
        WorkspaceError: the manifest is damaged.
    """
    with _held(folder, PATIENCE):
        known = RootManifest.load(folder) or RootManifest()
        found = RootManifest(
            files=_renewed(known.files, {name: folder / name for name in files}, coming or {}),
            artifacts=_renewed(known.artifacts, {name: folder / name / MANIFEST for name in artifacts}),
        )
        write_durably(folder / MANIFEST, (found.model_dump_json(indent=2) + "\n").encode())
    return found


def tidy(folder: Path) -> None:
    """Take away the lock that was left where it could not be deleted; one that is held stays."""
    if (folder / LOCK).exists():
        with suppress(Timeout), _held(folder, 0):
            pass


@contextmanager
def _held(folder: Path, patience: float) -> Iterator[None]:
    """Raises Timeout if another has held the lock for so many seconds."""
    lock = FileLock(folder / LOCK, timeout=patience, thread_local=False, fallback_to_soft=False)
    with lock:
        try:
            yield
        finally:  # while it is held, as the writer of artifacts does
            Path(lock.lock_file).unlink(missing_ok=True)


def artifacts_in(folder: Path) -> list[str]:
    """Return the folders of a workspace that are artifacts, recorded or not."""
    return sorted(path.parent.name for path in folder.glob(f"*/{MANIFEST}") if path.parent.suffix != ".old")


def _renewed(
    known: Mapping[str, str], paths: Mapping[str, Path], coming: Mapping[str, bytes] = MappingProxyType({})
) -> dict[str, str]:
    there = {name: path.read_bytes() for name, path in paths.items() if path.exists()}
    now = {name: hashlib.sha256(data).hexdigest() for name, data in {**there, **coming}.items()}
    kept = {name: sha256 for name, sha256 in known.items() if name not in paths}
    return dict(sorted({**kept, **now}.items()))


def _difference(found: str | None, promised: str | None) -> str:
    if promised is None:
        return "is not listed in the workspace's manifest"
    if found is None:
        return "is gone, though the workspace's manifest lists it"
    return f"has changed: its sha256 is {found[:12]}, the workspace's manifest says {promised[:12]}"


def _mend(folder: Path) -> str:
    return (
        f"put it back, or, if it was changed on purpose, take it as it is with `{sealing_command(folder)}`"
    )
