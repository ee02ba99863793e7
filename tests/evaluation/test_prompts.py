"""Laws of the prompts that are drawn from a training set's words."""

from __future__ import annotations

import pytest

from attribution.data.training_set import Example
from attribution.errors import TrainingSetError
from evaluation.prompts import Grammar, two_object_prompts
from tests.worlds.scenes import scene

SCENES = [
    scene(0, "a bus on a road", ["bus"], "a road"),
    scene(1, "an apple and a coffee on a table", ["apple", "coffee"], "a table"),
    scene(2, "a stop sign and a bus on a road", ["stop sign", "bus"], "a road"),
    scene(3, "a stop sign and an apple on snow, in pixel art", ["stop sign", "apple"], "snow"),
]


def test_the_grammar_is_read_off_the_plain_captions() -> None:
    grammar = Grammar.of(SCENES)
    assert grammar.phrases == {
        "apple": "an apple",
        "bus": "a bus",
        "coffee": "a coffee",
        "stop sign": "a stop sign",
    }
    assert grammar.grounds == ("a road", "a table")  # snow occurs in a style only
    assert frozenset({"stop sign", "apple"}) in grammar.pairs  # a style does not unsee a pair
    assert frozenset({"bus", "apple"}) not in grammar.pairs


def test_prompts_are_a_function_of_the_seed() -> None:
    """Law: The prompts of an evaluation are a function of the seed: none is chosen by looking."""
    grammar = Grammar.of(SCENES)
    assert two_object_prompts(grammar, 10, seed=1) == two_object_prompts(grammar, 10, seed=1)
    assert two_object_prompts(grammar, 10, seed=1) != two_object_prompts(grammar, 10, seed=2)
    assert two_object_prompts(grammar, 10, seed=1)[:4] == two_object_prompts(grammar, 4, seed=1)


def test_prompts_are_distinct_sentences_of_two_different_objects_first_named_left() -> None:
    grammar = Grammar.of(SCENES)
    prompts = two_object_prompts(grammar, 24)  # all there are: 4 * 3 * 2
    assert len({prompt.text for prompt in prompts}) == 24
    for prompt in prompts:
        spoken = f"{grammar.phrases[prompt.left]} and {grammar.phrases[prompt.right]} on {prompt.ground}"
        assert prompt.text == spoken
        assert prompt.left != prompt.right
        assert prompt.seen == (frozenset({prompt.left, prompt.right}) in grammar.pairs)
    assert {prompt.seen for prompt in prompts} == {True, False}


def test_more_prompts_than_sentences_are_refused() -> None:
    with pytest.raises(TrainingSetError, match="24 prompts, fewer than 25"):
        two_object_prompts(Grammar.of(SCENES), 25)


def test_a_training_set_without_scenes_is_refused() -> None:
    photographs = [Example(0, "a", "a.jpg", "my dog on the beach", "", {"license": "CC0"})]
    with pytest.raises(TrainingSetError, match="not known what its pictures show"):
        Grammar.of(photographs)
