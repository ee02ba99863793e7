"""Answers as JSON and CSV, and back. JSON that comes from outside is checked against a model of it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from attribution.data.files import Place, first_problem
from attribution.data.training_set import TrainingSet
from attribution.errors import ResultError, TrainingSetError
from attribution.results import Attribution, Entry, Ranking

Finite = Annotated[float, Field(allow_inf_nan=False)]
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # what a cell begins with that a spreadsheet computes


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)  # "3" is no number; further keys are not read


class _Line(_Model):
    rank: int
    id: Any  # whatever is not in the training set is refused as that
    file_name: str
    caption: str
    score: Finite
    stderr: Finite | None = None
    z: Finite | None = None


class _Ranked(_Model):
    title: str
    candidates: str
    seconds: Finite
    details: dict[str, Any]
    warnings: list[str]
    ranking: list[_Line]


class _Answer(_Model):
    query: dict[str, Any]
    settings: dict[str, Any]
    fingerprints: dict[str, str]
    warnings: list[str]
    methods: dict[str, _Ranked]
    problems: dict[str, str] = {}  # answers that were kept before they were told have none


def to_json(answer: Attribution, top_k: int | None = None) -> dict[str, Any]:
    """The form that DESIGN.md promises; JSON-serialisable."""
    return {
        "query": dict(answer.query),
        "settings": dict(answer.settings),
        "fingerprints": dict(answer.fingerprints),
        "warnings": list(answer.warnings),
        "methods": {
            name: {
                "title": ranking.title,
                "candidates": ranking.candidates,
                "seconds": round(ranking.seconds, 3),
                "details": dict(ranking.details),
                "warnings": list(ranking.warnings),
                "ranking": [_line(entry) for entry in ranking.entries[:top_k]],
            }
            for name, ranking in answer.rankings.items()
        },
        "problems": dict(answer.problems),
    }


def _line(entry: Entry) -> dict[str, Any]:
    return {
        "rank": entry.rank,
        "id": entry.id,
        "file_name": entry.file_name,
        "caption": entry.caption,
        "score": entry.score,
        "stderr": entry.stderr,
        **({} if entry.z is None else {"z": entry.z}),
    }


def from_json(data: Any, training_set: TrainingSet) -> Attribution:
    """The inverse of `to_json`, on the training set that was asked about.

    File names and captions are the training set's: the ids alone say which images were ranked.

    Raises:
        ResultError: it is not what `to_json` writes; says which part is not.
        TrainingSetError: it ranks an image that the training set does not have.
    """
    try:
        found = _Answer.model_validate(data)
    except ValidationError as refused:
        raise _no_answer(first_problem(refused, _place)) from None
    rankings = {name: _ranking(name, each, training_set) for name, each in found.methods.items()}
    query, settings = _values(found.query), _values(found.settings)
    warnings = tuple(found.warnings)
    return Attribution(query, settings, found.fingerprints, rankings, warnings, found.problems)


def to_csv(answer: Attribution, top_k: int | None = None) -> str:
    """One line per method and image, behind comment lines with seed and fingerprints."""
    out = io.StringIO()
    problems = {f"{name} has no answer": problem for name, problem in answer.problems.items()}
    for key, value in {**answer.query, **answer.settings, **answer.fingerprints, **problems}.items():
        out.write(f"# {no_formulas(f'{key}: {value}')}\n")
    writer = csv.writer(out)
    writer.writerow(["method", "rank", "id", "file_name", "caption", "score", "stderr", "z"])
    for name, ranking in answer.rankings.items():
        for e in ranking.entries[:top_k]:
            said = map(no_formula, (e.id, e.file_name, e.caption))
            numbers = ["" if value is None else repr(value) for value in (e.score, e.stderr, e.z)]
            writer.writerow([name, e.rank, *said, *numbers])
    return out.getvalue()


def no_formula(cell: str) -> str:
    """What a spreadsheet would take for a formula, spaces before it or none, made harmless."""
    begins = (cell[:1], cell.lstrip()[:1])
    return f"'{cell}" if any(each in FORMULA for each in begins) else cell


def no_formulas(line: str) -> str:
    """The same for a comment, whose commas begin a cell in a spreadsheet: it knows of no comments."""
    return re.sub(r"([,;]\s*)(?=[=+@-])", r"\1'", " ".join(line.split()))


def _ranking(name: str, found: _Ranked, training_set: TrainingSet) -> Ranking:
    where = f"the answer of {name!r}"
    rows: dict[int, None] = {}
    for rank, line in enumerate(found.ranking, 1):
        if line.rank != rank:
            raise _no_answer(f"line {rank} of {where} has rank {line.rank}")
        row = training_set.row_of_id(line.id) if isinstance(line.id, str) else None
        if row is None:
            raise TrainingSetError(
                f"line {rank} of {where} is about {line.id!r}, which is no id of the training set"
            )
        if row in rows:
            raise _no_answer(f"line {rank} of {where} ranks {line.id!r} again")
        rows[row] = None
    return Ranking(
        name,
        found.title,
        training_set,
        np.fromiter(rows, np.int64, len(rows)),
        np.array([line.score for line in found.ranking], np.float64),
        _all_or_none([line.stderr for line in found.ranking], f"{where} has a standard error"),
        _all_or_none([line.z for line in found.ranking], f"{where} has a z"),
        found.seconds,
        found.candidates,
        found.details,
        tuple(found.warnings),
    )


def _all_or_none(values: Sequence[float | None], what: str) -> Float64[ndarray, " ranked"] | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    if len(known) < len(values):
        raise _no_answer(f"{what} on some of its lines and not on others")
    return np.array(known, np.float64)


def _values(found: Mapping[str, Any]) -> dict[str, Any]:
    """Boxes, sizes and names are tuples with us, and lists in JSON."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}


def _place(place: Place) -> str:
    """`methods.clip.ranking.0.score` as "the score of line 1 of the answer of 'clip'"."""
    match place:
        case ("methods", name):
            return f"the answer of {name!r}"
        case ("methods", name, "ranking"):
            return f"the ranking of the answer of {name!r}"
        case ("methods", name, "ranking", int(line)):
            return f"line {line + 1} of the answer of {name!r}"
        case ("methods", name, "ranking", int(line), *rest):
            return f"the {'.'.join(map(str, rest))} of line {line + 1} of the answer of {name!r}"
        case ("methods", name, *rest):
            return f"the {'.'.join(map(str, rest))} of the answer of {name!r}"
        case ():
            return "it"
    return f"its {'.'.join(map(str, place))}"


def _no_answer(why: str) -> ResultError:
    return ResultError(f"this is not an answer that Whence wrote: {why}")
