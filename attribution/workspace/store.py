"""Artifacts on disk: published whole or not at all, with their provenance, refused elsewhere.

    <workspace>/<name>/                 the files, and manifest.json with their checksums; or the manifest
                                        alone, which says in which other folder the files lie
    <workspace>/<name>.part/            one being made: plan.json and its finished chunks
    <workspace>/<name>.lock             held (flock) by the one job that makes it

Reading is here; writing is `attribution.workspace.writer`.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.lib import format as npy
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from attribution.data.files import file_sha256, first_problem
from attribution.errors import CorruptArtifactError, MismatchError, MissingArtifactError
from attribution.workspace.artifact_manifest import ArtifactManifest
from attribution.workspace.root_manifest import MANIFEST, RootManifest, sealing_command

CHECKED_WHEN_OPENED = 2**28  # bytes; larger arrays are hashed by `verify` alone, at opening by size


def mending_command(job: str, root: Path) -> str:
    """Return the command that makes an artifact."""
    return f"python -m precompute {job} --workspace {shlex.quote(str(root))}"


class Made(BaseModel):
    """What an artifact was made with or measured, as far as it is read: its kind extends this."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, allow_inf_nan=False)


M = TypeVar("M", bound=Made)
Shape = tuple[int | None, ...]  # None: of any length


class Artifact:
    """A published artifact whose provenance has been checked. Files are checked when first read."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any], job: str = ""):
        self.folder, self.manifest = folder, manifest
        self.kept_in = folder / str(manifest.get("kept_in", "."))
        self.name = folder.name
        self.mending = mending_command(job or self.name, folder.parent)
        self._checked: set[str] = set()

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(self.manifest["files"])

    def path(self, file: str) -> Path:
        """Where a file is, after its size and (unless it is huge) sha256 were compared with the manifest.

        Raises:
            CorruptArtifactError: the bytes are not those that were published.
        """
        if file not in self.manifest["files"]:
            raise self.corrupt(f"its manifest does not list {file}")
        path, promised = self.kept_in / file, self.manifest["files"][file]
        if file in self._checked:
            return path
        try:
            size = path.stat().st_size
        except OSError:
            raise self.corrupt(f"{file} is gone") from None
        if size != promised["bytes"]:
            raise self.corrupt(f"{file} has {size} bytes, its manifest says {promised['bytes']}")
        if size <= CHECKED_WHEN_OPENED:
            self.verify_file(file)
        self._checked.add(file)
        return path

    def verify_file(self, file: str) -> None:
        """Hash one file in full.

        Raises:
            CorruptArtifactError: the bytes are not those that were published.
        """
        promised = self.manifest["files"][file]["sha256"]
        try:
            found = file_sha256(self.kept_in / file)
        except OSError:
            raise self.corrupt(f"{file} is gone") from None
        if found != promised:
            raise self.corrupt(f"{file} has sha256 {found[:12]}, its manifest says {promised[:12]}")

    def read(self, file: str) -> bytes:
        """A whole file; the very bytes returned have been compared with the manifest.

        Raises:
            CorruptArtifactError: they are not those that were published.
        """
        data = self.path(file).read_bytes()
        if hashlib.sha256(data).hexdigest() != self.manifest["files"][file]["sha256"]:
            raise self.corrupt(f"{file} is not what its manifest says")
        return data

    def array(self, file: str, shape: Shape | None = None) -> np.ndarray:
        """A read-only memory map of a .npy file, its header compared with its size.

        Args:
            shape: that it must have, its numbers finite; None to take whatever it holds.

        Raises:
            CorruptArtifactError: it is not a plain array, or another one.
        """
        path = self.path(file)
        try:
            with path.open("rb") as handle:
                version = npy.read_magic(handle)
                read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                found, _, dtype = read(handle)
                promised = handle.tell() + int(np.prod(found)) * dtype.itemsize
            if dtype.hasobject or path.stat().st_size != promised:
                raise ValueError("header and size differ")
            mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        except Exception as problem:  # a header is parsed as Python; a hostile one may raise anything
            raise self.corrupt(f"{file} is not a plain array ({problem})") from problem
        assert isinstance(mapped, np.ndarray)
        if shape is not None:
            numbers = np.issubdtype(mapped.dtype, np.number) and bool(np.isfinite(mapped).all())
            self._check(file, mapped.shape, shape, numbers)
        return mapped

    def tensors(self, file: str, shapes: Mapping[str, Shape] | None = None) -> dict[str, Tensor]:
        """The tensors of a safetensors file.

        Args:
            shapes: by name, of all that it must hold, and nothing else; their numbers must be finite.

        Raises:
            CorruptArtifactError: it is no safetensors file, or holds something else.
        """
        try:
            tensors: dict[str, Tensor] = load_tensors(self.read(file))
        except (SafetensorError, KeyError, ValueError) as problem:
            raise self.corrupt(f"{file} is not a safetensors file ({problem})") from problem
        if shapes is None:
            return tensors
        if odd := sorted(tensors.keys() ^ shapes.keys()):
            raise self.corrupt(f"{file} {'lacks' if odd[0] in shapes else 'has an unknown'} {odd[0]!r}")
        for name, shape in shapes.items():
            finite = bool(tensors[name].isfinite().all())
            self._check(f"{name} in {file}", tuple(tensors[name].shape), shape, finite)
        return tensors

    def _check(self, what: str, found: tuple[int, ...], wanted: Shape, finite: bool) -> None:
        alike = len(found) == len(wanted) and all(
            w in (None, f) for f, w in zip(found, wanted, strict=True)
        )
        if not alike:
            described = " x ".join("any" if side is None else str(side) for side in wanted) or "one number"
            raise self.corrupt(f"{what} is {' x '.join(map(str, found)) or 'one number'}, not {described}")
        if not finite:
            raise self.corrupt(f"{what} holds what is not a finite number")

    def settings(self, schema: type[M], section: str = "settings") -> M:
        """What it was made with, checked; or what was measured then, which is the section "measured".

        Raises:
            CorruptArtifactError: a value is missing or out of its range.
        """
        try:
            return schema.model_validate(self.manifest[section])
        except ValidationError as refused:
            raise self.corrupt(f"of its {section}, {first_problem(refused)}") from None

    def corrupt(self, why: str) -> CorruptArtifactError:
        """The error that says what is wrong with it, and which command makes it again."""
        return CorruptArtifactError(
            f"{self.folder} is damaged: {why}; make it again: `{self.mending} --remake`"
        )

    def check_made_with(self, key: str, present: str) -> None:
        """Compare one of the settings that it was made with.

        Raises:
            MismatchError: it was made with something else; names both values.
        """
        found = self.manifest["settings"].get(key)
        if found != present:
            raise MismatchError(
                f"{self.name} in {self.folder.parent} was made with {key} {found}, but there is {present} "
                f"now: make it again with `{self.mending}`"
            )

    @cached_property
    def checksum(self) -> str:
        """Of all files: what an artifact made from this one is bound to."""
        promised = json.dumps({name: entry["sha256"] for name, entry in self.manifest["files"].items()})
        return hashlib.sha256(promised.encode()).hexdigest()[:32]

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        return dict(self.manifest["fingerprints"])


class Store:
    """The artifacts of one workspace."""

    def __init__(self, root: Path):
        self.root = root

    def has(self, name: str) -> bool:
        """Whether an artifact has been published, for whatever model and data, even if it has got lost."""
        if (self.root / name / MANIFEST).is_file():
            return True
        known = RootManifest.load(self.root)
        return known is not None and name in known.artifacts

    def open(self, name: str, expected: Mapping[str, str], job: str = "") -> Artifact:
        """A published artifact made for exactly what is expected, and listed in the root manifest.

        Args:
            job: the command that makes it; its name if that is empty.

        Raises:
            MissingArtifactError: it has not been made; names the command that makes it.
            MismatchError: it was made for something else; names both values.
            CorruptArtifactError: its manifest cannot be read, or is not the one that was published here.
        """
        mending = mending_command(job or name, self.root)
        data = self._manifest_bytes(name, mending)
        artifact = Artifact(self.root / name, _parsed(self.root / name / MANIFEST, data, mending), job)
        for key, value in expected.items():
            found = artifact.fingerprints.get(key, "none")
            if found != value:
                raise MismatchError(
                    f"{name} in {self.root} was made for {key} {found}, but this workspace has {key} "
                    f"{value}: make it again with `{mending}`"
                )
        if (known := RootManifest.load(self.root)) is not None:
            known.check_artifact(artifact.folder, data, mending)
        return artifact

    def _manifest_bytes(self, name: str, mending: str) -> bytes:
        path = self.root / name / MANIFEST
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            if self.has(name):
                raise MissingArtifactError(
                    f"{path.parent} is gone, though the workspace's manifest lists it: make it again with "
                    f"`{mending}`, or go without it with `{sealing_command(self.root)}`"
                ) from None
            raise MissingArtifactError(f"{self.root} has no {name} yet: make it with `{mending}`") from None
        except OSError as problem:
            raise CorruptArtifactError(
                f"{path} cannot be read ({problem.strerror}): make it again with `{mending} --remake`"
            ) from None

    def verify(self, name: str, expected: Mapping[str, str], job: str = "") -> Iterator[str]:
        """Hash every file of an artifact; yields each name that is whole.

        Raises:
            ArtifactError: missing, mismatched or damaged.
        """
        artifact = self.open(name, expected, job)
        for file in artifact.files:
            artifact.path(file)
            artifact.verify_file(file)
            yield file


def _parsed(path: Path, data: bytes, mending: str) -> dict[str, Any]:
    """A manifest's JSON."""
    try:
        found = ArtifactManifest.model_validate_json(data)
        if found.name != path.parent.name:
            raise ValueError(f"it is of {found.name}")
    except ValueError as problem:
        raise CorruptArtifactError(
            f"{path} is damaged or of another version: make it again with `{mending} --remake`"
        ) from problem
    return found.model_dump()
