"""What the methods of an answer say together, in a sentence: what the first images share beyond chance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from attribution.analysis.agreement import TOP, overlap
from attribution.analysis.shared_facts import CAPTION, Fact, SharedFact, most_shared
from attribution.methods.base import Family, method
from attribution.methods.likeness import Likeness
from attribution.methods.random import Random
from attribution.results import Ranking

NOTHING = "Nothing stands out"
WHY_NOTHING = (
    "no training image scores higher here than the best of all does for pictures that have nothing to do "
    "with it"
)


@dataclass(frozen=True)
class Finding:
    """What the method that says most of influence has found.

    Attributes:
        method, title: of that method.
        top: of its first images is spoken: 20, or as many as it ranked.
        nothing: no image stands out of what unrelated pictures give, by any method that can tell.
        shared: what most of the first images have in common; None if nothing beyond chance.
        likeness: title of the first likeness that was asked beside it; "" if none was.
        also: how many of its own first images are among the likeness's.
        sentence: all of this in words.
    """

    method: str
    title: str
    top: int
    nothing: bool
    shared: SharedFact | None
    likeness: str
    also: int
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Plain values, the sentence first."""
        shared = self.shared
        fact = None if shared is None else {
            "column": shared.fact.column or "words of the captions",
            "value": shared.fact.value,
            "first": shared.first,
            "interval": [shared.low, shared.high],
            "training_set": shared.base,
            "p": shared.p,
            "facts": shared.facts,
        }  # fmt: skip
        beside = {"title": self.likeness, "shared": self.also} if self.likeness else None
        return {
            "sentence": self.sentence,
            "method": self.method,
            "top": self.top,
            "nothing_stands_out": self.nothing,
            "shared": fact,
            "likeness": beside,
        }


def finding_of(rankings: Mapping[str, Ranking]) -> Finding | None:
    """What the rankings of one answer say; None if there are none, or chance's alone.

    Unlearning speaks before influence functions and these before likeness; in each, who was asked first.
    """
    families = list(Family)
    asked = [each for each in rankings.values() if len(each) and _says_something(each)]
    if not asked:
        return None
    ranking = min(asked, key=lambda each: families.index(method(each.method).family))
    beside = next((each for each in asked if each is not ranking and _looks(each)), None)
    shared, nothing = most_shared(ranking), nothing_stands_out(rankings.values())
    likeness, also = ("", 0) if beside is None else (beside.title, overlap(ranking, beside))
    top = min(TOP, len(ranking))
    words = _sentence(ranking, top, nothing, shared)
    if likeness and not nothing:
        words += f" {likeness} shares {also or 'none'} of these {top} images."
    return Finding(ranking.method, ranking.title, top, nothing, shared, likeness, also, words)


def summary(rankings: Mapping[str, Ranking]) -> dict[str, Any] | None:
    """What an answer says, for programs; None where no method says anything."""
    found = finding_of(rankings)
    return None if found is None else found.to_json()


def nothing_stands_out(rankings: Iterable[Ranking]) -> bool:
    """Whether methods that can tell found no image beyond what unrelated pictures give."""
    judged = [each.standing_out for each in rankings if each.final and each.standing_out is not None]
    return bool(judged) and not any(out.any() for out in judged)


def _says_something(ranking: Ranking) -> bool:
    """Whether it is not the order of chance, which is there to compare with."""
    return not isinstance(method(ranking.method), Random)


def _looks(ranking: Ranking) -> bool:
    """Whether a ranking is by how pictures look."""
    found = method(ranking.method)
    return isinstance(found, Likeness) and not found.captions


def _sentence(ranking: Ranking, top: int, nothing: bool, shared: SharedFact | None) -> str:
    if nothing:
        return f"{NOTHING}: {WHY_NOTHING}."
    if shared is None:
        return (
            f"By {ranking.title}, the first {top} images have nothing in common, in captions or metadata, "
            f"that {top} images drawn at random would not have as well."
        )
    return (
        f"By {ranking.title}, {shared.first} of the first {top} {_predicate(shared.fact, ranking, top)} "
        f"(95% interval: {shared.low:.0%} to {shared.high:.0%}); {_share(shared.base)} of the whole "
        "training set do."
    )


def _predicate(fact: Fact, ranking: Ranking, top: int) -> str:
    """What images do of which a fact is true: "show a stop sign", ..."""
    if fact.column == CAPTION:
        return f"say “{fact.value}” in their captions"
    examples = [ranking.training_set.examples[row] for row in ranking.rows[:top]]
    if any(_names_objects(example.metadata.get(fact.column)) for example in examples):
        return f"show {_with_article(fact.value, [example.caption for example in examples])}"
    return f"have “{fact.value}” as their {fact.column.replace('_', ' ')}"


def _names_objects(value: Any) -> bool:
    """Whether a value lists what there is in a picture."""
    return isinstance(value, list) and any(isinstance(each, dict) and "name" in each for each in value)


def _with_article(name: str, captions: Iterable[str]) -> str:
    """A thing as captions have it: "a stop sign"; the bare name where none says so."""
    said = re.compile(rf"\b(?:an?|the) {re.escape(name)}\b", re.IGNORECASE)
    found = (said.search(caption) for caption in captions)
    return next((each[0].lower() for each in found if each is not None), name)


def _share(share: float) -> str:
    """A share with a digit that says something: 4.5%, 0.03%."""
    return f"{share:.1%}" if share >= 0.001 else f"{100 * share:.1g}%"
