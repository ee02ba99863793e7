"""A run as plain JSON values, and back: what `app.runs.archive` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from app.runs.boxes import boxes_of_run
from app.runs.run import Part, Picture, Run, parts_of
from attribution.data.training_set import TrainingSet
from attribution.methods.base import method, settings_from_json
from attribution.query import Box, Settings
from attribution.serialization import from_json, to_json

FORMAT = 1


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
    }


def answers_to_json(run: Run) -> list[dict[str, Any]]:
    """One a part."""
    return [to_json(part.attribution) for part in run.parts if part.attribution is not None]


def summary_from_json(run_id: str, question: Mapping[str, Any]) -> Summary:
    """Raises InputError, KeyError, TypeError, ValueError: it is not what `question_to_json` gives."""
    boxes = tuple(Box(*map(float, box)) for box in question["boxes"])
    names = tuple(map(str, question["methods"]))
    for name in names:
        method(name)
    settings, begun = settings_from_json(question["settings"]), float(question["begun"])
    return Summary(run_id, str(question["caption"]), boxes, names, settings, begun)


def run_from_json(
    run_id: str,
    question: Mapping[str, Any],
    answers: Sequence[Any],
    image: Image.Image,
    training_set: TrainingSet,
) -> Run:
    """The inverse of `question_to_json` and `answers_to_json`.

    Raises:
        TrainingSetError: an answer ranks an image that the training set does not have.
        InputError, KeyError, TypeError, ValueError: they are not what those give.
    """
    found = summary_from_json(run_id, question)
    parts = []
    for part, answer in zip(parts_of(image, found.caption, found.boxes), answers, strict=True):
        attribution = from_json(answer, training_set)
        parts.append(Part(part.label, part.query, attribution.rankings, attribution))
    size = question["picture"]["original_size"]
    picture = Picture(
        image,
        str(question["picture"]["caption"]),
        dict(question["picture"]["made"]),
        None if size is None else (int(size[0]), int(size[1])),
    )
    return Run(picture, found.caption, found.methods, found.settings, tuple(parts), run_id, found.begun)
