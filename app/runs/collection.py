"""A collection of training images, and how far the questions that are kept lean on it."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64
from numpy import ndarray

from app.runs.export import fresh_folder, name_of
from app.runs.run import Part, Run
from attribution.analysis.collection import Lean, MeanShare, lean_of, mean_share
from attribution.data.training_set import TrainingSet
from attribution.methods.base import Family, method, methods
from attribution.serialization import no_formula, no_formulas


@dataclass(frozen=True, eq=False)
class Collection:
    """Some training images under a name. `chosen`: of every row, whether it is among them."""

    name: str
    training_set: TrainingSet
    chosen: Bool[ndarray, " examples"]

    @cached_property
    def rows(self) -> Int64[ndarray, " images"]:
        """Their rows, ascending."""
        return np.flatnonzero(self.chosen)

    @property
    def base(self) -> float:
        """Their share of the whole training set."""
        return len(self.rows) / len(self.training_set)


@dataclass(frozen=True)
class Question:
    """One part of a kept picture under one method, and how it leans."""

    run: Run
    part: Part
    method: str
    lean: Lean


@dataclass(frozen=True)
class MethodShare:
    """What the questions of one method have together.

    Attributes:
        pictures, questions: how many there are; a part of a picture is a question of its own.
        first: the share of the first ranks; score: of all positive scores, of the questions that ranked the
            whole training set. None of likenesses, whose sums mean little, and where no question did.
    """

    method: str
    pictures: int
    questions: int
    first: MeanShare
    score: MeanShare | None


@dataclass(frozen=True)
class Leaning:
    """How far the questions that are kept lean on a collection.

    Attributes:
        shares: of each method that was asked, those that measure first.
        questions: of the first of these methods, those that lean most first.
        told: sentences on runs that could not be read.
        every: the questions of every method.
    """

    collection: Collection
    shares: tuple[MethodShare, ...]
    questions: tuple[Question, ...]
    every: tuple[Question, ...]
    told: tuple[str, ...] = ()


def leaning(collection: Collection, runs: Iterable[Run], told: Sequence[str] = ()) -> Leaning:
    """Sum up some answered runs."""
    every = [
        Question(run, part, name, lean_of(ranking, collection.chosen))
        for run in runs
        for part in run.parts
        if part.attribution is not None
        for name, ranking in part.attribution.rankings.items()
    ]
    names = [name for name in methods() if any(each.method == name for each in every)]
    shares = tuple(_share(name, [each for each in every if each.method == name]) for name in names)
    first = max(shares, key=lambda share: share.pictures, default=None)  # of equals the one named first
    own = [each for each in every if first is not None and each.method == first.method]
    own.sort(key=lambda each: (-each.lean.share, -each.run.begun, each.part.label))
    return Leaning(collection, shares, tuple(own), tuple(every), tuple(told))


def _share(name: str, questions: Sequence[Question]) -> MethodShare:
    runs = dict.fromkeys(each.run.id for each in questions)
    by_run = [[each.lean for each in questions if each.run.id == run] for run in runs]
    scored = [[lean.score for lean in leans if lean.score is not None] for leans in by_run]
    scored = [each for each in scored if each]
    measures = method(name).family is not Family.LIKENESS
    return MethodShare(
        name,
        len(runs),
        len(questions),
        mean_share([[lean.share for lean in leans] for leans in by_run]),
        mean_share(scored) if measures and scored else None,
    )


def write_collection_csv(found: Leaning) -> Path:
    """One line a question and method, behind comment lines that say what the collection is."""
    collection, out = found.collection, io.StringIO()
    facts = {
        "collection": collection.name,
        "images": len(collection.rows),
        "share of the training set": collection.base,
        "training set": collection.training_set.fingerprint,
        "written": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }
    for key, value in facts.items():
        out.write(f"# {no_formulas(f'{key}: {value}')}\n")
    writer = csv.writer(out)
    writer.writerow(["run", "caption", "part", "method", "first", "of", "share_of_positive_scores"])
    for each in found.every:
        lean = each.lean
        score = "" if lean.score is None else repr(lean.score)
        said = map(no_formula, (each.run.id, each.run.caption, each.part.label))
        writer.writerow([*said, each.method, lean.first, lean.top, score])
    path = fresh_folder() / f"{name_of(collection.name)}-collection.csv"
    path.write_text(out.getvalue(), encoding="utf-8", newline="")
    return path
