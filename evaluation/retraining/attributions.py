"""What each method says of a panel's pictures, as small committed files: plans need no workspace.

One file a method and a workspace: the first images in exact order, and the scores of all in half precision.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from safetensors import safe_open
from safetensors.numpy import save

from attribution.engine import attribute
from attribution.errors import MismatchError, MissingArtifactError, SettingsError
from attribution.methods.base import Cost, available, method, refusal
from attribution.query import Query, Settings
from attribution.results import Progress, Ranking
from attribution.workspace.workspace import Workspace
from evaluation.files import write_whole
from evaluation.retraining.panel import CONTROL, REGIONS, Panel, PanelPicture
from evaluation.studies import Kept

TOP = 400  # ranks that are kept in exact order
REFINED_BUDGET, REFINED_TOP = 8_000, 100  # draws, and ranks that matter, of a question asked refined


@dataclass(frozen=True)
class Question:
    """One picture of the panel, as a whole or in a box."""

    picture: PanelPicture
    region: str

    @property
    def key(self) -> str:
        return f"{self.picture.name}-{self.region}"


@dataclass(frozen=True)
class Attributions:
    """What one method says, question by question.

    Attributes:
        questions: their keys, such as "target-00-whole".
        scores: of all training images; NaN where an image was not scored. Half precision, each question in
            units of its largest.
        first: the rows ranked first, best first; -1 behind the last one that was ranked.
    """

    method: str
    panel: str
    training_set: str
    model: str
    questions: tuple[str, ...]
    scores: Float[ndarray, "questions images"]
    first: Int[ndarray, "questions top"]

    def ranking(self, key: str) -> Int[ndarray, " ranked"]:
        """The rows ranked first for a question.

        Raises:
            SettingsError: it was not asked.
        """
        rows = self.first[self._place(key)].astype(np.int64)
        found: Int[ndarray, " ranked"] = rows[rows >= 0]
        return found

    def of(self, key: str) -> Float[ndarray, " images"]:
        """The scores of all training images for a question."""
        found: Float[ndarray, " images"] = self.scores[self._place(key)].astype(np.float64)
        return found

    def _place(self, key: str) -> int:
        if key not in self.questions:
            raise SettingsError(
                f"{self.method} was not asked about {key}: run `python -m evaluation retraining attribute`"
            )
        return self.questions.index(key)

    def write(self, folder: Path, name: str | None = None) -> None:
        """Keep them under the method's name, or another one."""
        facts = {"method": self.method, "panel": self.panel, "training_set": self.training_set}
        facts |= {"model": self.model, "questions": json.dumps(self.questions)}
        arrays = {"scores": self.scores.astype(np.float16), "first": self.first.astype(np.int32)}
        write_whole(folder / f"{name or self.method}.safetensors", save(arrays, metadata=facts))

    @classmethod
    def read(cls, path: Path) -> Attributions:
        """One method's file.

        Raises:
            MissingArtifactError: it is not there; says how it is made.
        """
        if not path.exists():
            raise MissingArtifactError(
                f"there is no {path}: make it with `python -m evaluation retraining attribute`"
            )
        with safe_open(path, "numpy") as stored:
            facts = dict(stored.metadata())
            questions = tuple(json.loads(facts.pop("questions")))
            scores, first = stored.get_tensor("scores"), stored.get_tensor("first")
            return cls(**facts, questions=questions, scores=scores, first=first)


def read_all(
    folder: Path, panel: Panel, names: Sequence[str] | None = None, strict: bool = True
) -> dict[str, Attributions]:
    """Those of some methods, or of all that there are.

    Args:
        strict: refuse those of another panel, or else pass them over.

    Raises:
        MissingArtifactError: a method has not been asked.
        MismatchError: they are of another panel.
    """
    chosen = sorted(path.stem for path in folder.glob("*.safetensors")) if names is None else names
    found = {name: Attributions.read(folder / f"{name}.safetensors") for name in chosen}
    others = [each for each in found.values() if each.panel != panel.digest]
    if others and strict:
        raise MismatchError(
            f"{folder / others[0].method} is of panel {others[0].panel}, and {panel.name} is "
            f"{panel.digest}: ask anew"
        )
    return {name: each for name, each in found.items() if each.panel == panel.digest}


def questions_of(panel: Panel, boxed: bool, controls: bool = True) -> list[Question]:
    """Every picture whole, or the targets alone; and with `boxed` both halves of the targets."""
    asked = [picture for picture in panel.pictures if controls or picture.role != CONTROL]
    whole = [Question(picture, "whole") for picture in asked]
    sides = [
        Question(picture, side)
        for picture in panel.pictures
        if picture.role != CONTROL
        for side in ("left", "right")
    ]
    return [*whole, *(sides if boxed else [])]


def ask(
    workspace: Workspace,
    panel: Panel,
    name: str,
    folder: Path,
    work: Path,
    boxed: bool,
    effort: str = "exhaustive",
) -> Iterator[str]:
    """Ask one method about a panel and write its file; yields a line for each question.

    Args:
        work: keeps answers until there are all of them; another effort needs another folder.
        effort: for whole pictures. Only an exhaustive answer has a score of every image, which the linear
            datamodeling score needs: a method that would measure them is asked refined about targets alone.
            Boxed questions are asked refined.

    Raises:
        MismatchError: there are answers of another panel or model, or the panel is of another training set.
    """
    each, kept = method(name), Kept(work / name)
    every = effort == "exhaustive" or each.cost != Cost.PER_EXAMPLE
    questions = questions_of(panel, boxed, controls=every)
    if answered(folder / f"{name}.safetensors", workspace, panel, questions):
        return
    if not available(each, workspace):
        yield f"{name}: not asked, {workspace.folder} lacks what it needs"
        return
    found: dict[str, ndarray] = {}
    for done, question in enumerate(questions, 1):
        query = query_of(workspace, panel, question)
        if (why := refusal(each, query)) is not None:
            yield f"{name}: {question.key} not asked: {why}"
            continue
        settings = Settings(effort=effort)
        if question.region != "whole" or effort == "refined":
            settings = replace(settings, effort="refined", budget=REFINED_BUDGET, top_k=REFINED_TOP)
        found[question.key] = kept.array(question.key, partial(_answer, workspace, query, name, settings))
        yield f"{name}: {done} of {len(questions)} questions"
    if found:
        _of_answers(name, workspace, panel, found).write(folder)


def answered(path: Path, workspace: Workspace, panel: Panel, questions: Sequence[Question]) -> bool:
    """Whether the file has answers to all of these questions."""
    model = workspace.fingerprints["model"]
    if workspace.training_set.fingerprint != panel.facts.training_set:
        raise MismatchError(f"{workspace.folder} has another training set than the panel {panel.name}")
    if not path.exists():
        return False
    found = Attributions.read(path)
    if (found.panel, found.model) != (panel.digest, model):
        raise MismatchError(
            f"{path} is of panel {found.panel} and model {found.model[:12]}, not {panel.digest} and "
            f"{model[:12]}: remove it, or keep these elsewhere (--name or --folder)"
        )
    return {question.key for question in questions} <= set(found.questions)


def query_of(workspace: Workspace, panel: Panel, question: Question) -> Query:
    """How a picture was made is known to the model that made it alone."""
    made_here = workspace.fingerprints["model"] == panel.facts.model
    generation = panel.generation(question.picture) if made_here else None
    image, caption = panel.image(question.picture), question.picture.prompt
    return Query(image, caption, REGIONS[question.region], generation)


def _of_answers(
    name: str, workspace: Workspace, panel: Panel, answers: Mapping[str, ndarray]
) -> Attributions:
    return Attributions(
        name,
        panel.digest,
        panel.facts.training_set,
        workspace.fingerprints["model"],
        tuple(answers),
        np.stack([_scaled(scores) for _, scores in answers.values()]),
        np.stack([_first(rows) for rows, _ in answers.values()]),
    )


def answers_of_all(
    name: str, workspace: Workspace, panel: Panel, scores: Mapping[str, Float[ndarray, " images"]]
) -> Attributions:
    """What scores of all training images say, question by question."""
    rows = {key: np.argsort(-each, kind="stable") for key, each in scores.items()}
    return _of_answers(name, workspace, panel, {key: np.stack([rows[key], scores[key]]) for key in rows})


def _answer(workspace: Workspace, query: Query, name: str, settings: Settings) -> ndarray:
    """[rows in order (-1 where not ranked), score by row (NaN where not scored)]."""
    ranking = None
    for event in attribute(workspace, query, [name], settings):
        if not isinstance(event, Progress) and isinstance(event, Ranking):
            ranking = event
    assert ranking is not None
    answer = np.full((2, len(workspace.training_set)), np.nan)
    answer[0, : len(ranking)] = ranking.rows
    answer[0, len(ranking) :] = -1
    answer[1, ranking.rows] = ranking.scores
    return answer


def _scaled(scores: ndarray) -> ndarray:
    largest = np.nanmax(np.abs(scores))
    return scores / largest if largest > 0 else scores


def _first(rows: ndarray) -> ndarray:
    return rows[:TOP].astype(np.int64)
