"""What an artifact's `manifest.json` holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from attribution.workspace.root_manifest import Sha256

FORMAT: Literal[1] = 1


def _inside(file: str) -> str:
    """The name of a file in the artifact's own folder."""
    if "/" in file or "\\" in file or file in ("", ".", ".."):
        raise ValueError("leaves the folder")
    return file


def _movable(folder: str) -> str:
    """A folder as seen from another, so that both can be moved together."""
    if Path(folder).is_absolute():
        raise ValueError("is of one machine")
    return folder


class _File(BaseModel):
    model_config = ConfigDict(strict=True)

    sha256: Sha256
    bytes: Annotated[int, Field(ge=0)]


class ArtifactManifest(BaseModel):
    """An artifact's manifest: the plan that it was made by, what was measured on the way, and its files.

    Attributes:
        kept_in: the folder in which the files lie, as seen from the manifest's: of another workspace's
            artifact, whose bytes are compared with this manifest as its own would be.
    """

    model_config = ConfigDict(strict=True, extra="forbid")

    format: Literal[1]
    name: str
    fingerprints: dict[str, str]
    settings: dict[str, Any]
    made_with: dict[str, Any]
    chunks: Annotated[int, Field(ge=0)]
    measured: dict[str, Any] = {}
    kept_in: Annotated[str, AfterValidator(_movable)] = "."
    files: dict[Annotated[str, AfterValidator(_inside)], _File]
