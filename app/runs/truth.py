"""Training images that are known to have made a model's pictures: those that taught it its new word, say.

They are named in a file beside the workspace, by whoever knows:

    {"about": "taught the model <v1>", "images": ["strawberry-0", "strawberry-1"]}
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from attribution.data.files import first_problem
from attribution.errors import WorkspaceError
from attribution.results import Ranking
from attribution.workspace.workspace import Workspace

AMONG = 10  # ranks in which they are counted


class _Stored(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    about: str
    images: list[str]


@dataclass(frozen=True)
class Truth:
    """The true answer. `about`: what the images did, as it follows on "They"."""

    about: str
    images: frozenset[str]

    def found_by(self, ranking: Ranking) -> str:
        """How many of them a ranking puts first, in words."""
        first = sum((ranking.rank_of(each) or AMONG + 1) <= AMONG for each in self.images)
        return f"{first} of {len(self.images)} among the first {AMONG}"


def truth_of(workspace: Workspace) -> Truth | None:
    """What is known of a workspace's model; None where nothing is.

    Raises:
        WorkspaceError: the file is there and names no images of the training set.
    """
    path = workspace.folder.parent / "truth.json"
    if not path.is_file():
        return None
    try:
        found = _Stored.model_validate_json(path.read_bytes())
    except ValidationError as problem:
        raise WorkspaceError(f"{path} does not say what is true: {first_problem(problem)}") from None
    known = workspace.training_set
    if unknown := [each for each in found.images if known.row_of_id(each) is None]:
        raise WorkspaceError(f"{path} names {unknown[0]!r}, which is no id of {known.folder}: take it out")
    if not found.images:
        raise WorkspaceError(f"{path} names no images: name those that are known, or delete the file")
    return Truth(found.about, frozenset(found.images))
