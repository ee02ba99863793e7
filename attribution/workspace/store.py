"""Artifacts on disk: published whole or not at all, with their provenance, refused elsewhere.

    <workspace>/<name>/                 the files, and manifest.json with their checksums
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
from typing import Annotated, Any, Literal

import numpy as np
from numpy.lib import format as npy
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from attribution.data.files import file_sha256
from attribution.errors import CorruptArtifactError, MismatchError, MissingArtifactError

MANIFEST = "manifest.json"
FORMAT = 1
CHECKED_WHEN_OPENED = 2**28  # bytes; larger arrays are hashed by `verify` alone, at opening by size


def mending_command(job: str, root: Path) -> str:
    """Return the command that makes an artifact."""
    return f"python -m precompute {job} --workspace {shlex.quote(str(root))}"


def _inside(file: str) -> str:
    """The name of a file in the artifact's own folder."""
    if "/" in file or "\\" in file or file in ("", ".", ".."):
        raise ValueError("leaves the folder")
    return file


class _File(BaseModel):
    model_config = ConfigDict(strict=True)

    sha256: str
    bytes: int


class _Manifest(BaseModel):
    """What is read of a manifest here; the plan that the artifact was made by stands beside it."""

    model_config = ConfigDict(strict=True, extra="allow")

    format: Literal[1]
    fingerprints: dict[str, str]
    files: dict[Annotated[str, AfterValidator(_inside)], _File]


class Artifact:
    """A published artifact whose provenance has been checked. Files are checked when first read."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any], job: str = ""):
        self.folder, self.manifest = folder, manifest
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
            raise self._corrupt(f"its manifest does not list {file}")
        path, promised = self.folder / file, self.manifest["files"][file]
        if file in self._checked:
            return path
        try:
            size = path.stat().st_size
        except OSError:
            raise self._corrupt(f"{file} is gone") from None
        if size != promised["bytes"]:
            raise self._corrupt(f"{file} has {size} bytes, its manifest says {promised['bytes']}")
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
            found = file_sha256(self.folder / file)
        except OSError:
            raise self._corrupt(f"{file} is gone") from None
        if found != promised:
            raise self._corrupt(f"{file} has sha256 {found[:12]}, its manifest says {promised[:12]}")

    def read(self, file: str) -> bytes:
        """A whole file; the very bytes returned have been compared with the manifest.

        Raises:
            CorruptArtifactError: they are not those that were published.
        """
        data = self.path(file).read_bytes()
        if hashlib.sha256(data).hexdigest() != self.manifest["files"][file]["sha256"]:
            raise self._corrupt(f"{file} is not what its manifest says")
        return data

    def array(self, file: str) -> np.ndarray:
        """A read-only memory map of a .npy file, its header compared with its size."""
        path = self.path(file)
        try:
            with path.open("rb") as handle:
                version = npy.read_magic(handle)
                read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                shape, _, dtype = read(handle)
                promised = handle.tell() + int(np.prod(shape)) * dtype.itemsize
            if dtype.hasobject or path.stat().st_size != promised:
                raise ValueError("header and size differ")
            mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as problem:
            raise self._corrupt(f"{file} is not a plain array ({problem})") from problem
        assert isinstance(mapped, np.ndarray)
        return mapped

    def tensors(self, file: str) -> dict[str, Tensor]:
        """The tensors of a safetensors file."""
        try:
            tensors: dict[str, Tensor] = load_tensors(self.read(file))
        except SafetensorError as problem:
            raise self._corrupt(f"{file} is not a safetensors file ({problem})") from problem
        return tensors

    def _corrupt(self, why: str) -> CorruptArtifactError:
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
        """Whether an artifact has been published, for whatever model and data."""
        return (self.root / name / MANIFEST).is_file()

    def open(self, name: str, expected: Mapping[str, str], job: str = "") -> Artifact:
        """A published artifact made for exactly what is expected.

        Args:
            job: the command that makes it; its name if that is empty.

        Raises:
            MissingArtifactError: it has not been made; names the command that makes it.
            MismatchError: it was made for something else; names both values.
            CorruptArtifactError: its manifest cannot be read.
        """
        mending = mending_command(job or name, self.root)
        if not self.has(name):
            raise MissingArtifactError(f"{self.root} has no {name} yet: make it with `{mending}`")
        artifact = Artifact(self.root / name, self._manifest(name, mending), job)
        for key, value in expected.items():
            found = artifact.fingerprints.get(key, "none")
            if found != value:
                raise MismatchError(
                    f"{name} in {self.root} was made for {key} {found}, but this workspace has {key} "
                    f"{value}: make it again with `{mending}`"
                )
        return artifact

    def _manifest(self, name: str, mending: str) -> dict[str, Any]:
        path = self.root / name / MANIFEST
        try:
            return _Manifest.model_validate_json(path.read_bytes()).model_dump()
        except (OSError, ValidationError) as problem:
            raise CorruptArtifactError(
                f"{path} is damaged or of another version: make it again with `{mending} --remake`"
            ) from problem

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
