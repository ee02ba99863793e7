"""A collection of customised models: what they were taught, and the pictures that they may have come from.

    COLLECTION/candidates/       an image folder: every concept's exemplars, and scenes of the base
    COLLECTION/candidates/metadata.jsonl       `text`, and in `plain` the same without the new word
    COLLECTION/candidates/concepts.json
    COLLECTION/WAY/CONCEPT/      a pipeline, or an adapter of the base

`python -m demo exemplars` and `customise` make one; any folder of this layout will do.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from attribution.data.files import folder_whole
from attribution.errors import MissingArtifactError, SettingsError
from evaluation.files import checked, read_json

CONCEPTS = "concepts.json"
CANDIDATES = "candidates"
METADATA = "metadata.jsonl"
PIPELINE = "model_index.json"


@dataclass(frozen=True)
class TaughtConcept:
    """One concept.

    Attributes:
        name: as a judge names it.
        kind: an object, or the style of a whole picture.
        folder: of its model, below the way's.
        exemplars: ids of the candidates that taught it: the true answer.
        prompts: that ask for it in surroundings that no exemplar shows.
        for_learning: kept for fitting from; no figure is of it.
    """

    name: str
    kind: Literal["object", "style"]
    folder: str
    exemplars: tuple[str, ...]
    prompts: tuple[str, ...]
    for_learning: bool = False


@dataclass(frozen=True)
class Collection:
    """See the module."""

    root: Path
    concepts: tuple[TaughtConcept, ...]

    @classmethod
    def read(cls, root: Path) -> Collection:
        """The collection in a folder.

        Raises:
            ResultError: its list of concepts is not there or damaged.
        """
        path = root / CANDIDATES / CONCEPTS
        concepts = tuple(checked(TaughtConcept, each, path) for each in read_json(path))
        return cls(root, concepts)

    @property
    def candidates(self) -> Path:
        return self.root / CANDIDATES

    def chosen(self, names: tuple[str, ...] = ()) -> list[TaughtConcept]:
        """The concepts of these names, or all that figures may be of.

        Raises:
            SettingsError: there is none of a name.
        """
        known = {each.name: each for each in self.concepts}
        if unknown := [name for name in names if name not in known]:
            raise SettingsError(f"there is no concept {unknown[0]!r}: choose from {', '.join(known)}")
        return [known[name] for name in names] or [x for x in self.concepts if not x.for_learning]

    def foils(self, concept: TaughtConcept) -> frozenset[str]:
        """The candidates that a concept's model was never trained on: other concepts' exemplars."""
        return frozenset(
            name for each in self.concepts if each.name != concept.name for name in each.exemplars
        )

    def model(self, way: str, concept: TaughtConcept) -> Path:
        """Where the model that was taught a concept lies.

        Raises:
            MissingArtifactError: it is not there; says how it is made.
        """
        folder = self.root / way / concept.folder
        if not folder.exists():
            raise MissingArtifactError(
                f"there is no {folder}: make it with `python -m demo customise {concept.name!r} "
                f"--way {way} --out {self.root}`"
            )
        return folder

    def write_candidates(self, concept: TaughtConcept, folder: Path) -> None:
        """The candidates as a training set of one concept's model, if it is not there.

        Only this concept's exemplars have the new word in their captions: this model never saw the others,
        of which its new word is not true.
        """
        if folder.exists():
            return
        own = set(concept.exemplars)
        lines = []
        with folder_whole(folder) as part:
            for line in (self.candidates / METADATA).read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                text = row["text"] if row["id"] in own else row.get("plain", row["text"])
                lines.append(json.dumps({**row, "text": text}, ensure_ascii=False) + "\n")
                shutil.copyfile(self.candidates / row["file_name"], part / row["file_name"])
            (part / METADATA).write_text("".join(lines), encoding="utf-8")


def is_pipeline(folder: Path) -> bool:
    """Whether a customised model is a pipeline of its own, and not an adapter of its base."""
    return (folder / PIPELINE).exists()
