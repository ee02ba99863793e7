"""What comes back: rankings with their scores, errors and provenance. Plain values."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from attribution.data.training_set import TrainingSet
from attribution.errors import NonFiniteError, ResultError, TrainingSetError


@dataclass(frozen=True)
class Progress:
    """What is being done. `done` of `total` units of the present stage of one method."""

    method: str
    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class Scores:
    """One method's scores of some training images; larger means more influential.

    Attributes:
        rows: row numbers in the training set.
        values: the scores, in the method's own unit.
        stderr: their standard errors in the same unit, or None for a method without sampling.
        details: what the method wants recorded with its result (step size, self-check, ...); plain
            JSON values.
        warnings: sentences for the person.
        final: False while better ones are still to come.
        z: of each row against its own null, for methods that are compared with control queries.
    """

    rows: Int[ndarray, " candidates"]
    values: Float[ndarray, " candidates"]
    stderr: Float[ndarray, " candidates"] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    final: bool = True
    z: Float[ndarray, " candidates"] | None = None


@dataclass(frozen=True)
class Entry:
    """One line of a ranking."""

    rank: int
    id: str
    row: int
    file_name: str
    caption: str
    score: float
    stderr: float | None
    z: float | None = None  # of its first-order score, among those under unrelated control queries


@dataclass(frozen=True)
class Ranking:
    """All the images that a method has ranked, best first. Ties are broken by id."""

    method: str
    title: str
    entries: tuple[Entry, ...]
    seconds: float
    candidates: str  # in words: "all 3,000 training images", "a shortlist of 400", ...
    details: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    final: bool = True  # False while better scores are still to come

    def stands_out(self, entry: Entry) -> bool | None:
        """Whether an image's first-order score is beyond what unrelated queries reach; None if unknown."""
        threshold = self.details.get("z_threshold")
        return None if entry.z is None or threshold is None else entry.z > threshold

    def rank_of(self, example_id: str) -> int | None:
        """The rank of an image under this method, None if it was not ranked."""
        return next((entry.rank for entry in self.entries if entry.id == example_id), None)

    def __post_init__(self) -> None:
        assert all(entry.rank == i for i, entry in enumerate(self.entries, 1))


@dataclass(frozen=True)
class Attribution:
    """The whole answer to one query."""

    query: Mapping[str, Any]  # caption, box, snapped_box, image_sha256, size
    settings: Mapping[str, Any]
    fingerprints: Mapping[str, str]
    rankings: Mapping[str, Ranking]
    warnings: tuple[str, ...] = ()

    def to_json(self, top_k: int | None = None) -> dict[str, Any]:
        """The form that DESIGN.md promises; JSON-serialisable."""
        return {
            "query": dict(self.query),
            "settings": dict(self.settings),
            "fingerprints": dict(self.fingerprints),
            "warnings": list(self.warnings),
            "methods": {
                name: {
                    "title": ranking.title,
                    "candidates": ranking.candidates,
                    "seconds": round(ranking.seconds, 3),
                    "details": dict(ranking.details),
                    "warnings": list(ranking.warnings),
                    "ranking": [
                        {
                            "rank": entry.rank,
                            "id": entry.id,
                            "file_name": entry.file_name,
                            "caption": entry.caption,
                            "score": entry.score,
                            "stderr": entry.stderr,
                            **({} if entry.z is None else {"z": entry.z}),
                        }
                        for entry in ranking.entries[:top_k]
                    ],
                }
                for name, ranking in self.rankings.items()
            },
        }

    @classmethod
    def from_json(cls, data: Any, training_set: TrainingSet) -> Attribution:
        """The inverse of `to_json`, on the training set that was asked about.

        Raises:
            ResultError: it is not what `to_json` writes; says which part is not.
            TrainingSetError: it ranks an image that the training set does not have.
        """
        query, settings = (_values(_mapping(_of(data, key), key)) for key in ("query", "settings"))
        fingerprints = _mapping(_of(data, "fingerprints"), "fingerprints")
        if not all(isinstance(value, str) for value in fingerprints.values()):
            raise _no_answer("its fingerprints are not text")
        rankings = {
            name: _ranking_from_json(name, each, training_set)
            for name, each in _mapping(_of(data, "methods"), "methods").items()
        }
        return cls(query, settings, fingerprints, rankings, _sentences(data, "it"))

    def to_csv(self, top_k: int | None = None) -> str:
        """One line per method and image, behind comment lines with seed and fingerprints."""
        out = io.StringIO()
        for key, value in {**self.query, **self.settings, **self.fingerprints}.items():
            out.write(f"# {key}: {' '.join(str(value).split())}\n")
        writer = csv.writer(out)
        writer.writerow(["method", "rank", "id", "file_name", "caption", "score", "stderr", "z"])
        for name, ranking in self.rankings.items():
            for e in ranking.entries[:top_k]:
                row = [name, e.rank, e.id, e.file_name, e.caption, repr(e.score)]
                errors = ["" if value is None else repr(value) for value in (e.stderr, e.z)]
                writer.writerow([*map(_no_formula, row), *errors])
        return out.getvalue()


def _ranking_from_json(name: str, data: Any, training_set: TrainingSet) -> Ranking:
    where = f"the answer of {name!r}"
    title, candidates = _of(data, "title", where), _of(data, "candidates", where)
    if not isinstance(title, str) or not isinstance(candidates, str):
        raise _no_answer(f"{where} has no title or does not say what was ranked")
    lines = _of(data, "ranking", where)
    if not isinstance(lines, list):
        raise _no_answer(f"{where} is not a list")
    entries = tuple(
        _entry_from_json(rank, line, f"line {rank} of {where}", training_set)
        for rank, line in enumerate(lines, 1)
    )
    seconds = _number(_of(data, "seconds", where), where)
    details = _mapping(_of(data, "details", where), f"details of {where}")
    return Ranking(name, title, entries, seconds, candidates, details, _sentences(data, where))


def _entry_from_json(rank: int, line: Any, where: str, training_set: TrainingSet) -> Entry:
    if _of(line, "rank", where) != rank:
        raise _no_answer(f"{where} has another rank")
    name = _of(line, "id", where)
    row = training_set.row_of(name) if isinstance(name, str) else None
    if row is None or training_set.ids[row] != name:  # a file name is no id
        raise TrainingSetError(f"{where} is about {name!r}, which is no id of the training set")
    texts = [_of(line, key, where) for key in ("file_name", "caption")]
    if not all(isinstance(text, str) for text in texts):
        raise _no_answer(f"{where} has no file name or caption")
    stderr, z = (None if line.get(key) is None else _number(line[key], where) for key in ("stderr", "z"))
    return Entry(rank, name, row, texts[0], texts[1], _number(_of(line, "score", where), where), stderr, z)


def _of(data: Any, key: str, where: str = "it") -> Any:
    if not isinstance(data, Mapping) or key not in data:
        raise _no_answer(f"{where} has no {key!r}")
    return data[key]


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _no_answer(f"{where} is not an object")
    return dict(value)


def _values(found: dict[str, Any]) -> dict[str, Any]:
    """Boxes, sizes and names are tuples with us, and lists in JSON."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}


def _number(value: Any, where: str) -> float:
    finite = isinstance(value, int | float) and abs(value) <= sys.float_info.max  # false for NaN, too
    if isinstance(value, bool) or not finite:
        raise _no_answer(f"{where} has {value!r} where a number should be")
    return float(value)


def _sentences(data: Any, where: str) -> tuple[str, ...]:
    found = _of(data, "warnings", where)
    if not isinstance(found, list) or not all(isinstance(words, str) for words in found):
        raise _no_answer(f"the warnings of {where} are not a list of sentences")
    return tuple(found)


def _no_answer(why: str) -> ResultError:
    return ResultError(f"this is not an answer that Whence wrote: {why}")


def _no_formula(cell: object) -> object:
    """A caption that a spreadsheet would take for a formula, made harmless."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+@\t\r" else cell


def ranked_rows(scores: Scores, ids: Sequence[str]) -> Int[ndarray, " candidates"]:
    """Positions into `scores`, best first; ties are broken by id so that no order is an accident.

    Raises:
        NonFiniteError: a score is NaN or infinite (`argsort` would hide it at the end).
    """
    bad = ~np.isfinite(scores.values)
    if bad.any():
        named = ", ".join(ids[int(row)] for row in scores.rows[bad][:5])
        raise NonFiniteError(f"{int(bad.sum())} scores are not finite, of {named}: lower the step")
    falling, names = (-scores.values).tolist(), [ids[row] for row in scores.rows.tolist()]
    order = sorted(range(len(names)), key=lambda i: (falling[i], names[i]))
    return np.asarray(order, dtype=np.int64)
