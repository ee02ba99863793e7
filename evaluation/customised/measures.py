"""What the ranks of a concept's exemplars say: recall, average precision, the place of the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from evaluation.customised.records import Answer, ConceptRecord
from evaluation.statistics import mean_interval

K = 10
ENOUGH = 6  # concepts for an interval


def recall(ranks: Sequence[int], k: int = K) -> float:
    """The share of the exemplars that is among the first `k`."""
    return float(np.mean(np.asarray(ranks) <= k))


def first_rank(ranks: Sequence[int]) -> float:
    """The place of the exemplar that comes first."""
    return float(min(ranks))


def random_recall(candidates: int, k: int = K) -> float:
    """What a ranking by chance expects."""
    return min(1.0, k / candidates)


Measure = Callable[[Sequence[int]], float]
Ranks = Callable[[Answer], Sequence[int]]


def among_all(answer: Answer) -> Sequence[int]:
    """The places among all candidates."""
    return answer.ranks


def among_trained(answer: Answer) -> Sequence[int]:
    """The places among those that the model was trained on."""
    return answer.among_trained


@dataclass(frozen=True)
class Compared:
    """Methods over the same concepts.

    Attributes:
        records: of concepts that some picture shows.
        methods: that have answered all of them.
    """

    records: tuple[ConceptRecord, ...]
    methods: tuple[str, ...]

    @classmethod
    def of(cls, records: Sequence[ConceptRecord]) -> Compared:
        """Those that can be compared: a concept that was not learnt is no question."""
        learnt = [each for each in records if any(picture.learnt for picture in each.pictures)]
        names = list(dict.fromkeys(name for each in learnt for name in answered(each)))
        return cls(tuple(learnt), tuple(name for name in names if all(name in answered(x) for x in learnt)))

    def values(
        self, method: str, measure: Measure, ranks: Ranks = among_all
    ) -> Float[ndarray, " concepts"]:
        """A measure of each concept: the mean over its pictures."""
        of_pictures = (
            [measure(ranks(picture.answers[method])) for picture in each.pictures if picture.learnt]
            for each in self.records
        )
        return np.array([np.mean(values) for values in of_pictures])

    def lead(
        self, method: str, other: str, measure: Measure, ranks: Ranks = among_all
    ) -> tuple[float, tuple[float, float]]:
        """How far one is ahead of another, and `ends` over concepts, which both share."""
        apart = self.values(method, measure, ranks) - self.values(other, measure, ranks)
        return float(apart.mean()), ends(apart)


def ends(values: Float[ndarray, " concepts"]) -> tuple[float, float]:
    """The 95% interval of a mean over concepts; of fewer than `ENOUGH`, between which values they lie.

    A bootstrap of two values can say nothing but these two, and calls it 95%.
    """
    few = len(values) < ENOUGH
    return (float(values.min()), float(values.max())) if few else mean_interval(values)


def answered(record: ConceptRecord) -> list[str]:
    """The methods that have answered about every picture which shows the concept."""
    learnt = [picture for picture in record.pictures if picture.learnt]
    return [name for name in learnt[0].answers if all(name in each.answers for each in learnt)]
