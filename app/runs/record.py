"""A run as plain JSON values, and back: what `app.runs.archive` writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from app.runs.boxes import boxes_of_run
from app.runs.run import Part, Picture, Run, made_here, parts_of
from attribution.data.training_set import TrainingSet
from attribution.methods.base import method, settings_from_json
from attribution.query import Box, Settings
from attribution.serialization import from_json, to_json

FORMAT = 1


class _Stored(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)  # "3" is no number; further keys are not read


class StoredPicture(_Stored):
    """What is known of the picture beside its pixels."""

    caption: str
    made: dict[str, Any]
    original_size: tuple[int, int] | None


class StoredSettings(_Stored, extra="allow"):
    """The settings, which check themselves, and each method's own."""

    options: dict[str, dict[str, Any]]


class StoredQuestion(_Stored):
    """What `question_to_json` gives."""

    format: Literal[1]
    begun: Annotated[float, Field(allow_inf_nan=False)]
    caption: str
    methods: tuple[str, ...]
    settings: StoredSettings
    picture: StoredPicture
    boxes: tuple[tuple[float, float, float, float], ...]
    fingerprints: dict[str, str]
    made_with: dict[str, str] = {}  # runs that were kept before it was told have none


class StoredRun(StoredQuestion):
    """What `run.json` holds: hashes of the `key` and, by name, of the other `files`."""

    key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    files: dict[str, str]


@dataclass(frozen=True)
class Summary:
    """What a list of runs says of one."""

    id: str
    caption: str
    boxes: tuple[Box, ...]
    methods: tuple[str, ...]
    settings: Settings
    begun: float


def question_to_json(run: Run) -> dict[str, Any]:
    """What was asked, of an answered run; the picture and the answers are kept beside it."""
    fingerprints = next(part.attribution.fingerprints for part in run.parts if part.attribution)
    return {
        "format": FORMAT,
        "begun": run.begun,
        "caption": run.caption,
        "methods": list(run.methods),
        "settings": run.settings.to_json(method(name) for name in run.methods),
        "picture": {
            "caption": run.picture.caption,
            "made": dict(run.picture.made),
            "original_size": run.picture.original_size,
        },
        "boxes": [box.as_tuple() for box in boxes_of_run(run)],
        "fingerprints": dict(fingerprints),
        "made_with": dict(run.made_with),
    }


def answers_to_json(run: Run) -> list[dict[str, Any]]:
    """One a part."""
    return [to_json(part.attribution) for part in run.parts if part.attribution is not None]


def summary_of(run_id: str, question: StoredQuestion) -> Summary:
    """Raises InputError, TypeError: its methods, settings or boxes make no sense."""
    for name in question.methods:
        method(name)
    return Summary(
        run_id,
        question.caption,
        tuple(Box(*sides) for sides in question.boxes),
        question.methods,
        settings_from_json(question.settings.model_dump()),
        question.begun,
    )


def run_of(
    run_id: str,
    question: StoredQuestion,
    answers: Sequence[Any],
    image: Image.Image,
    training_set: TrainingSet,
) -> Run:
    """The inverse of `question_to_json` and `answers_to_json`.

    Raises:
        TrainingSetError: an answer ranks an image that the training set does not have.
        InputError, TypeError, ValueError: they are not what those give.
    """
    found, kept = summary_of(run_id, question), question.picture
    parts = []
    picture = Picture(image, kept.caption, kept.made, kept.original_size)
    generation = made_here(picture, question.fingerprints.get("model", ""))
    for part, answer in zip(parts_of(image, found.caption, found.boxes, generation), answers, strict=True):
        attribution = from_json(answer, training_set)
        parts.append(Part(part.label, part.query, attribution.rankings, attribution))
    return Run(
        picture, found.caption, found.methods, found.settings, tuple(parts), run_id, found.begun,
        question.made_with,
    )  # fmt: skip
