"""What was measured of one customised model: a small file, which later work adds methods to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from evaluation.files import as_text, checked, plain, read_json, write_whole

FORMAT = 1


@dataclass(frozen=True)
class Answer:
    """What one method said of one picture.

    Attributes:
        ranks: of the exemplars among all candidates, from 1, in the exemplars' order.
        among_trained: the same without other concepts' exemplars, which this model was never trained on.
        seconds: that it took on the machine that it ran on.
    """

    ranks: tuple[int, ...]
    among_trained: tuple[int, ...]
    seconds: float


@dataclass(frozen=True)
class Asked:
    """One picture made by a customised model.

    Attributes:
        shown: what the judge finds likeliest, by what it was asked.
        learnt: whether the concept is among it; a picture without it is no question.
        answers: by method.
    """

    prompt: str
    shown: dict[str, str]
    learnt: bool
    answers: dict[str, Answer] = field(default_factory=dict)


@dataclass(frozen=True)
class ConceptRecord:
    """One customised model.

    Attributes:
        way: how it was taught.
        candidates: how many images were ranked.
        curvature: whose Fisher information was used, the base's or the customised model's own.
        model: its fingerprint.
        captions: whether other concepts' exemplars were told by their names, or shared the new word.
    """

    format: int
    concept: str
    kind: Literal["object", "style"]
    way: str
    exemplars: int
    candidates: int
    curvature: str
    model: str
    pictures: tuple[Asked, ...]
    made_with: dict[str, Any] = field(default_factory=dict)
    captions: str = "plain"

    def write(self, path: Path) -> None:
        write_whole(path, as_text(plain(ConceptRecord, self)))

    @classmethod
    def read(cls, path: Path) -> ConceptRecord:
        """The record in a file.

        Raises:
            ResultError: it is not there, or damaged.
        """
        return checked(cls, read_json(path), path)


def read_records(folder: Path) -> list[ConceptRecord]:
    """All records in a folder, in the order of way and concept."""
    return [ConceptRecord.read(path) for path in sorted(folder.glob("*/*.json"))]
