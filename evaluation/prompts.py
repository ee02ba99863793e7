"""Prompts drawn from the training set's own grammar, by a seed and without looking.

The embedded world's captions are `[object] on [ground]` or `[object] and [object] on [ground]`, the
first named object standing on the left. The words are read off the training set's `objects` and
`ground` columns, so nothing here knows how the scenes are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from attribution.data.training_set import Example
from attribution.errors import TrainingSetError


@dataclass(frozen=True)
class Prompt:
    """A sentence with two objects. `seen`: some training scene shows the two together."""

    text: str
    left: str
    right: str
    ground: str
    seen: bool


@dataclass(frozen=True)
class Grammar:
    """Each object's phrase ("an elephant"), the grounds, and the pairs that occur together."""

    phrases: dict[str, str]
    grounds: tuple[str, ...]
    pairs: frozenset[frozenset[str]]

    @classmethod
    def of(cls, examples: Sequence[Example]) -> Grammar:
        """The grammar that the plain (unstyled) captions of `examples` follow.

        Raises:
            TrainingSetError: there are no such columns or captions.
        """
        phrases: dict[str, str] = {}
        grounds, pairs = set(), set()
        for example in examples:
            names, ground = object_names(example), str(example.metadata.get("ground", ""))
            pairs.add(frozenset(names)) if len(names) == 2 else None
            ending = f" on {ground}"
            if not ground or not example.caption.endswith(ending):
                continue  # styled: ", in pixel art" follows the ground
            phrases_in_order = example.caption.removesuffix(ending).split(" and ")
            if len(phrases_in_order) == len(names):
                phrases.update(zip(names, phrases_in_order, strict=True))
                grounds.add(ground)
        if len(phrases) < 2:
            raise TrainingSetError(
                "this training set has no captions of the form '[object] and [object] on [ground]' with "
                "`objects` and `ground` columns, so it is not known what its pictures show"
            )
        return cls(dict(sorted(phrases.items())), tuple(sorted(grounds)), frozenset(pairs))


def object_names(example: Example) -> tuple[str, ...]:
    """The names of a scene's objects, from left to right."""
    return tuple(str(item["name"]) for item in example.metadata.get("objects", ()))


def two_object_prompts(grammar: Grammar, count: int, seed: int = 0) -> list[Prompt]:
    """`count` distinct prompts, the same for the same seed; a longer list begins with the shorter.

    Each draws two different objects and a ground, all uniformly; combinations that no training scene
    shows are neither sought nor avoided.

    Raises:
        TrainingSetError: the grammar has fewer than `count` sentences.
    """
    names = list(grammar.phrases)
    sentences = len(names) * (len(names) - 1) * len(grammar.grounds)
    if count > sentences:
        raise TrainingSetError(f"this training set's words make {sentences} prompts, fewer than {count}")
    draw = np.random.default_rng(seed)
    prompts: dict[str, Prompt] = {}
    while len(prompts) < count:
        first, second = (names[i] for i in draw.choice(len(names), size=2, replace=False))
        ground = grammar.grounds[draw.integers(len(grammar.grounds))]
        text = f"{grammar.phrases[first]} and {grammar.phrases[second]} on {ground}"
        seen = frozenset((first, second)) in grammar.pairs
        prompts.setdefault(text, Prompt(text, first, second, ground, seen))
    return list(prompts.values())
