"""What comes back: rankings with their scores, errors and provenance. Plain values."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, overload

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int64
from numpy import ndarray

from attribution.data.training_set import TrainingSet
from attribution.errors import NonFiniteError, WhenceError

T = TypeVar("T")
APPROXIMATE = "approximate"  # in the details of a method that looked at a part: the recall measured of it
SHARES = "shares"  # in the details of a method each of whose scores is a share of the whole training set
UNSURE = 2.0  # standard errors: a score that is nearer to nothing may be nothing


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
    z: float | None = None  # of the score, among the image's own under unrelated control queries


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
        z: of their scores, each among the image's own under unrelated control queries; None of a method
            whose scores were not measured under those.
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
        """Whether an image's score is beyond what unrelated queries reach; None if unknown."""
        threshold = self.details.get("z_threshold")
        return None if entry.z is None or threshold is None else entry.z > threshold

    @cached_property
    def standing_out(self) -> Bool[ndarray, " ranked"] | None:
        """`stands_out` of every line; None if unknown."""
        threshold = self.details.get("z_threshold")
        return None if self.z is None or threshold is None else self.z > threshold

    @cached_property
    def remembered_better(self) -> Bool[ndarray, " ranked"]:
        """Of every line, whether unlearning surely lowers its loss, beyond what unrelated queries reach.

        None is of a method whose scores have no null in that direction.
        """
        lowest = self.details.get("z_lowest")
        if self.z is None or lowest is None:
            return np.zeros(len(self), bool)
        better: Bool[ndarray, " ranked"] = self.sure & (self.scores < 0) & (self.z < lowest)
        return better

    @cached_property
    def sure(self) -> Bool[ndarray, " ranked"]:
        """Of every line, whether its score is `UNSURE` standard errors or more from nothing.

        All are of a method without errors: nothing is known against them.
        """
        if self.stderr is None:
            return np.ones(len(self), bool)
        sure: Bool[ndarray, " ranked"] = np.abs(self.scores) >= UNSURE * self.stderr
        return sure

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
    """The whole answer to one query.

    Attributes:
        query: caption, box, snapped_box, image_sha256, size.
        problems: why each method that was asked and has no ranking has none, by name.
    """

    query: Mapping[str, Any]
    settings: Mapping[str, Any]
    fingerprints: Mapping[str, str]
    rankings: Mapping[str, Ranking]
    warnings: tuple[str, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)

    def check_whole(self) -> None:
        """Raise `WhenceError` if a method that was asked has no ranking."""
        for name, problem in self.problems.items():
            raise WhenceError(f"{name} has no answer: {problem}")


def ranked_rows(scores: Scores, training_set: TrainingSet) -> Int64[ndarray, " candidates"]:
    """Positions into `scores`, best first; ties are broken by id so that no order is an accident.

    Raises:
        NonFiniteError: a score is NaN or infinite (sorting would hide it at the end).
    """
    bad = ~np.isfinite(scores.values)
    if bad.any():
        named = ", ".join(training_set.ids[row] for row in scores.rows[bad][:5])
        raise NonFiniteError(f"{int(bad.sum())} scores are not finite, of {named}: lower the step")
    by_id = np.argsort(training_set.places_of_ids[scores.rows])  # of which a stable sort keeps the order
    order: Int64[ndarray, " candidates"] = by_id[np.argsort(-scores.values[by_id], kind="stable")]
    return order


def returned(steps: Generator[Any, None, T]) -> T:
    """What a generator returns at its end, whatever it yields on its way."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
