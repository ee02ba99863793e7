"""What retraining has found of the methods, for a workspace's model: figures to be quoted beside answers.

They lie in the workspace's folder, in `evidence.json`, which `python -m evaluation report --quote FOLDER`
writes from the records of retrainings. They are of the models and the training set that the file names.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from attribution.data.files import first_problem
from attribution.errors import ResultError
from attribution.workspace.root_manifest import checked_bytes
from attribution.workspace.workspace import Workspace

FILE = "evidence.json"
FORMAT = 1
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, config=_STRICT)
class Estimate:
    """A figure and its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, config=_STRICT)
class MethodEvidence:
    """What retraining says of one method; None where it was not measured.

    Attributes:
        removal: the relative rise of the targets' loss, beyond chance, without the images ranked first.
        share: of the rise without as many images that show the targets' objects, by the truth of the world.
        controls: the rise of the controls' loss, which should not change.
        boxed: how much more the loss rises inside the box that was asked about than inside the other one.
        lds: the linear datamodeling score.
        same: of the first images that it names under the reference, the share that it names under the
            workspace's model too.
    """

    removal: Estimate | None = None
    share: Estimate | None = None
    controls: Estimate | None = None
    boxed: Estimate | None = None
    lds: Estimate | None = None
    same: float | None = None


@dataclass(frozen=True, config=_STRICT)
class Evidence:
    """The figures, and of what they are.

    Attributes:
        training_set: its fingerprint.
        models: fingerprints of the models whose answers were tested.
        recipe: by which a reference was trained, and models without the images.
        targets, k: so many pictures, and images that were left out for each.
    """

    format: int
    training_set: str
    models: tuple[str, ...]
    recipe: str
    targets: int
    k: int
    methods: Mapping[str, MethodEvidence]

    def of(self, name: str) -> MethodEvidence:
        """A method's; empty if it was not tested."""
        return self.methods.get(name, MethodEvidence())

    def to_json(self) -> str:
        """As it is written, readable in a change."""
        return TypeAdapter(Evidence).dump_json(self, indent=1).decode() + "\n"


def evidence_of(workspace: Workspace) -> Evidence | None:
    """What was found for this model and training set; None if there is nothing, or of others.

    Raises:
        ResultError: the file is damaged.
        WorkspaceError: it is not the one that the workspace's manifest lists.
    """
    path = Path(workspace.folder) / FILE
    if (data := checked_bytes(path)) is None:
        return None
    try:
        found = TypeAdapter(Evidence).validate_json(data)
    except ValidationError as refused:
        raise ResultError(
            f"{path} is damaged: {first_problem(refused)}; make it again or remove it"
        ) from None
    mine = workspace.fingerprints["model"] in found.models
    return found if mine and found.training_set == workspace.training_set.fingerprint else None
