"""What comes back: rankings with their scores, errors and provenance. Plain values."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, overload

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int64
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


class Entries(Sequence[Entry]):
    """The lines of a ranking as if they were a list; each is made when it is looked at."""

    def __init__(self, ranking: Ranking, positions: range):
        self._ranking, self._positions = ranking, positions

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Entries: ...
    def __getitem__(self, index: int | slice) -> Entry | Entries:
        """One line, or a view of some of them."""
        if isinstance(index, slice):
            return Entries(self._ranking, self._positions[index])
        return self._ranking.entry(self._positions[index])

    def __iter__(self) -> Iterator[Entry]:
        return map(self._ranking.entry, self._positions)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entries | tuple) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # as long as a list has none


@dataclass(frozen=True, eq=False)
class Ranking:
    """All the images that a method has ranked, best first. Ties are broken by id.

    Attributes:
        training_set: what the images are rows of; knows their ids, file names and captions.
        rows: of the images in the training set, best first.
        scores, stderr: theirs, in the method's own unit; no errors for a method without sampling.
        z: of their first-order scores, among those under unrelated control queries.
        candidates: in words: "all 3,000 training images", "a shortlist of 400", ...
        final: False while better scores are still to come.
    """

    method: str
    title: str
    training_set: TrainingSet
    rows: Int64[ndarray, " ranked"]
    scores: Float64[ndarray, " ranked"]
    stderr: Float64[ndarray, " ranked"] | None
    z: Float64[ndarray, " ranked"] | None
    seconds: float
    candidates: str
    details: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    final: bool = True

    @classmethod
    def of(
        cls,
        scores: Scores,
        training_set: TrainingSet,
        method: str,
        title: str,
        seconds: float,
        candidates: str,
    ) -> Ranking:
        """A method's scores in order.

        Raises:
            NonFiniteError: a score is NaN or infinite.
        """
        order = ranked_rows(scores, training_set)

        def in_order(values: Float[ndarray, " candidates"] | None) -> Float64[ndarray, " ranked"] | None:
            return None if values is None else values[order].astype(np.float64)

        return cls(
            method,
            title,
            training_set,
            scores.rows[order].astype(np.int64),
            scores.values[order].astype(np.float64),
            in_order(scores.stderr),
            in_order(scores.z),
            seconds,
            candidates,
            scores.details,
            scores.warnings,
            scores.final,
        )

    def __len__(self) -> int:
        """How many images were ranked."""
        return len(self.rows)

    @property
    def entries(self) -> Entries:
        """The lines, best first."""
        return Entries(self, range(len(self.rows)))

    def entry(self, position: int) -> Entry:
        """One line; the best is at 0."""
        example = self.training_set.examples[self.rows[position]]
        return Entry(
            position + 1,
            example.id,
            example.row,
            example.file_name,
            example.caption,
            float(self.scores[position]),
            None if self.stderr is None else float(self.stderr[position]),
            None if self.z is None else float(self.z[position]),
        )

    def stands_out(self, entry: Entry) -> bool | None:
        """Whether an image's first-order score is beyond what unrelated queries reach; None if unknown."""
        threshold = self.details.get("z_threshold")
        return None if entry.z is None or threshold is None else entry.z > threshold

    @cached_property
    def standing_out(self) -> Bool[ndarray, " ranked"] | None:
        """`stands_out` of every line; None if unknown."""
        threshold = self.details.get("z_threshold")
        return None if self.z is None or threshold is None else self.z > threshold

    @cached_property
    def ranks(self) -> Int64[ndarray, " examples"]:
        """By row of the training set; 0 for what was not ranked."""
        ranks = np.zeros(len(self.training_set), np.int64)
        ranks[self.rows] = np.arange(1, len(self.rows) + 1)
        return ranks

    def rank_of(self, example_id: str) -> int | None:
        """The rank of an image under this method, None if it was not ranked."""
        row = self.training_set.row_of_id(example_id)
        return None if row is None else int(self.ranks[row]) or None


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
    entries = [
        _entry_from_json(rank, line, f"line {rank} of {where}", training_set)
        for rank, line in enumerate(lines, 1)
    ]
    seconds = _number(_of(data, "seconds", where), where)
    details = _mapping(_of(data, "details", where), f"details of {where}")
    return Ranking(
        name,
        title,
        training_set,
        np.array([entry.row for entry in entries], np.int64),
        np.array([entry.score for entry in entries], np.float64),
        _all_or_none([entry.stderr for entry in entries], f"standard errors in {where}"),
        _all_or_none([entry.z for entry in entries], f"z in {where}"),
        seconds,
        candidates,
        details,
        _sentences(data, where),
    )


def _all_or_none(values: Sequence[float | None], what: str) -> Float64[ndarray, " ranked"] | None:
    missing = sum(value is None for value in values)
    if missing == len(values):
        return None
    if missing:
        raise _no_answer(f"there are {what} on some lines only")
    return np.array(values, np.float64)


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


def ranked_rows(scores: Scores, training_set: TrainingSet) -> Int64[ndarray, " candidates"]:
    """Positions into `scores`, best first; ties are broken by id so that no order is an accident.

    Raises:
        NonFiniteError: a score is NaN or infinite (sorting would hide it at the end).
    """
    bad = ~np.isfinite(scores.values)
    if bad.any():
        named = ", ".join(training_set.ids[row] for row in scores.rows[bad][:5])
        raise NonFiniteError(f"{int(bad.sum())} scores are not finite, of {named}: lower the step")
    return np.lexsort((training_set.places_of_ids[scores.rows], -scores.values)).astype(np.int64)
