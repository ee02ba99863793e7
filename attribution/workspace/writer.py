"""Making an artifact: in chunks that survive an interruption, then published in one step.

Where an artifact is a sum over chunks, only the sum so far is kept, the one before it, and chunks that were
made before their turn: chunks may come in any order, but are added in theirs.

The bytes published are those of an uninterrupted run: chunks are of a fixed size, nothing in them
depends on when, by whom or in how many sittings they were made, and a chunk that is not whole is made
again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from safetensors.numpy import load as load_arrays

from attribution.data.array_files import file_parts
from attribution.data.files import file_sha256, sync, write_durably
from attribution.errors import ArtifactError
from attribution.workspace.artifact_manifest import FORMAT
from attribution.workspace.root_manifest import MANIFEST, record, tidy
from attribution.workspace.store import Artifact, Store

Chunk = dict[str, np.ndarray]
Assemble = Callable[[Iterator[Chunk], Path], Mapping[str, Any] | None]
Add = Callable[[Chunk, Chunk], Chunk]  # the sum so far (may be written to), the next chunk => the sum

CHUNK, SUM = "chunk", "sum"  # of one chunk, of all up to one: what a file in the `.part` folder is called
KEPT = 2  # sums: the last may be damaged by a power cut
MOST_AT_ONCE = KEPT + 1  # on the disk, in one process: while the next is written, none is taken away
PLAN = "plan.json"
WHOLE = "whole"
IMPORTED = "imported"  # a setting of what was made elsewhere: no choice of a job made it otherwise
BASES = "bases"  # a setting of what is told in the coordinates of another artifact: that one's checksum


@dataclass(frozen=True)
class Plan:
    """What an artifact will be: enough to make the same bytes twice.

    Attributes:
        name: of the artifact and its folder.
        fingerprints: what it is made from and for; refused elsewhere.
        settings: choices that change what it is (draws, seed); differing ones mean making it again.
        made_with: choices that change it by rounding at most (chunk and batch sizes, device,
            versions); an unfinished artifact is continued only with the same ones.
        chunks: how many there are.
    """

    name: str
    fingerprints: Mapping[str, str]
    settings: Mapping[str, Any]
    made_with: Mapping[str, Any]
    chunks: int

    def to_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain


class Writer:
    """Makes one artifact; a context that holds its lock.

    Args:
        adding: adds a chunk to the sum of those before; None where chunks are kept one by one.

    with Writer(root, plan) as writer:
        for chunk in writer.missing():
            writer.add(chunk, arrays)
        writer.publish(assemble)
    """

    def __init__(self, root: Path, plan: Plan, adding: Add | None = None):
        self.root, self.plan, self._adding = root, plan, adding
        self._sum: Chunk | None = None  # of all chunks before the next, where they are added up
        self._next = 0
        self._early: dict[int, Path] = {}  # chunks that were made before their turn to be added
        self.target = root / plan.name
        self.part = root / f"{plan.name}.part"
        self.notice: str | None = None  # why an unfinished artifact was thrown away, for the person
        # The kernel lets go of it however the job ends; a mere marker file would outlive a killed one.
        lock = root / f"{plan.name}.lock"
        self._lock = FileLock(lock, timeout=0, thread_local=False, fallback_to_soft=False)

    def __enter__(self) -> Writer:
        """Raises ArtifactError if another job holds the lock."""
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except Timeout:
            raise ArtifactError(
                f"another job is making {self.plan.name} in {self.root}: wait for it, or stop it"
            ) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # While it is held, so that no one else's is deleted: who waits for a deleted one is refused it.
            Path(self._lock.lock_file).unlink(missing_ok=True)
        finally:
            self._lock.release()

    def up_to_date(self) -> bool:
        """Whether the published artifact is already what the plan says; leftovers are then removed."""
        store = Store(self.root)
        if not store.has(self.plan.name):
            return False
        try:
            artifact = store.open(self.plan.name, self.plan.fingerprints)
            for file in artifact.files:
                artifact.path(file)  # a damaged one is made again
        except ArtifactError:
            return False
        if not chosen_alike(artifact, self.plan):
            return False
        self._tidy()
        return True

    def missing(self) -> list[int]:
        """The chunks still to be made. An unfinished artifact of another plan is thrown away."""
        wanted = self.plan.to_json()
        found = _read_json(self.part / PLAN)
        if found != wanted:
            if found is not None:
                difference = _difference(found, wanted)
                self.notice = f"beginning anew: {self.part.name} was begun with {difference}"
            shutil.rmtree(self.part, ignore_errors=True)
            self.part.mkdir(parents=True)
            write_durably(self.part / PLAN, _json_bytes(wanted))
        chunks = self._whole(CHUNK)
        if self._adding is None:
            return [chunk for chunk in range(self.plan.chunks) if chunk not in chunks]
        sums = self._whole(SUM)
        self._next = max(sums, default=-1) + 1
        self._sum = load_arrays(sums[self._next - 1].read_bytes()) if sums else None
        self._early = {chunk: path for chunk, path in chunks.items() if chunk >= self._next}
        for chunk in chunks.keys() - self._early.keys():
            chunks[chunk].unlink()  # it is in the sum
        self._add_up_early()
        return [chunk for chunk in range(self._next, self.plan.chunks) if chunk not in self._early]

    def _whole(self, kind: str) -> dict[int, Path]:
        """Finished chunks, or sums, by number. The name has the checksum; what doesn't match is deleted."""
        whole = {}
        for path in sorted(self.part.glob(f"{kind}-*")):
            number, _, checksum = path.name.removeprefix(f"{kind}-").partition("-")
            if checksum and file_sha256(path) == checksum:
                whole[int(number)] = path
            else:
                path.unlink()
        return whole

    def add(self, chunk: int, arrays: Chunk) -> None:
        """Keep one chunk, in whatever order they come; of those that are added up, until it is its turn."""
        if self._adding is None:
            self._keep(CHUNK, chunk, arrays)
        elif chunk != self._next:
            self._early[chunk] = self._keep(CHUNK, chunk, arrays)
        else:
            self._add_up(arrays)
            self._add_up_early()

    def _keep(self, kind: str, number: int, arrays: Chunk) -> Path:
        parts, digest = file_parts(arrays), hashlib.sha256()
        for part in parts:
            digest.update(part)
        path = self.part / f"{kind}-{number:06d}-{digest.hexdigest()}"
        write_durably(path, *parts)
        return path

    def _add_up(self, arrays: Chunk) -> None:
        """Add the chunk whose turn it is."""
        assert self._adding is not None
        self._sum = arrays if self._sum is None else self._adding(self._sum, arrays)
        self._keep(SUM, self._next, self._sum)
        self._next += 1
        for old in sorted(self.part.glob(f"{SUM}-*"))[:-KEPT]:
            old.unlink()

    def _add_up_early(self) -> None:
        """Add those that were made before their turn, which has come."""
        while (path := self._early.pop(self._next, None)) is not None:
            self._add_up(load_arrays(path.read_bytes()))
            path.unlink()

    def _chunks(self) -> Iterator[Chunk]:
        if self._adding is not None:
            assert self._next == self.plan.chunks, "all have been added"
            assert self._sum is not None
            yield self._sum
            return
        whole = self._whole(CHUNK)
        for chunk in range(self.plan.chunks):
            if chunk not in whole:
                raise ArtifactError(f"chunk {chunk} of {self.part} was damaged: run the job again")
            yield load_arrays(whole[chunk].read_bytes())

    def publish(self, assemble: Assemble) -> Mapping[str, Any]:
        """Make the files from the chunks, in order, then put them in place with one rename.

        Returns what `assemble` measured on the way, which the manifest records.
        """
        whole = self.part / WHOLE
        shutil.rmtree(whole, ignore_errors=True)
        whole.mkdir()
        measured = assemble(self._chunks(), whole) or {}
        files = {}
        for path in sorted(whole.iterdir()):
            sync(path)
            files[path.name] = {"sha256": file_sha256(path), "bytes": path.stat().st_size}
        self._put_in_place(whole, {"measured": measured, "files": files})
        return measured

    def refer_to(self, source: Artifact) -> None:
        """Publish an artifact whose files are another's, and stay where they are.

        Both must be moved together from then on.
        """
        whole = self.part / WHOLE
        shutil.rmtree(whole, ignore_errors=True)
        whole.mkdir(parents=True)
        theirs = {key: source.manifest[key] for key in ("measured", "files")}
        away = os.path.relpath(source.kept_in.resolve(), self.target.resolve())
        self._put_in_place(whole, {**theirs, "kept_in": Path(away).as_posix()})

    def _put_in_place(self, whole: Path, found: Mapping[str, Any]) -> None:
        """Write the manifest, and rename the folder that has all of it."""
        write_durably(whole / MANIFEST, _json_bytes({"format": FORMAT, **self.plan.to_json(), **found}))
        if self.target.exists():
            if self._replaced.exists():  # of one that was killed; what cannot be removed is named
                shutil.rmtree(self._replaced)
            self.target.rename(self._replaced)
        whole.rename(self.target)
        sync(self.root)
        if (self.root / MANIFEST).exists():  # a workspace's, which lists its artifacts
            record(self.root, artifacts=[self.plan.name])
        self._tidy()

    @property
    def _replaced(self) -> Path:
        return self.root / f"{self.plan.name}.old"

    def _tidy(self) -> None:
        shutil.rmtree(self._replaced, ignore_errors=True)
        shutil.rmtree(self.part, ignore_errors=True)
        tidy(self.root)


def chosen_alike(artifact: Artifact, plan: Plan) -> bool:
    """Whether an artifact was made with the settings of a plan; one that was made elsewhere stands, as
    long as its coordinates do.
    """
    settings, wanted = artifact.manifest.get("settings", {}), plan.to_json()["settings"]
    if IMPORTED in settings:
        return bool(settings.get(BASES) == wanted.get(BASES))
    return bool(settings == wanted)


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The first value in which two plans differ, both named."""
    for part in ("fingerprints", "settings", "made_with"):
        old, new = found.get(part, {}), wanted[part]
        for key in [*new, *old]:
            if old.get(key) != new.get(key):
                return f"{key} {old.get(key)}, not {new.get(key)}"
    return f"{found.get('chunks')} chunks, not {wanted['chunks']}"


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _json_bytes(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()
