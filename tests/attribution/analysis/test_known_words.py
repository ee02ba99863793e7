"""Laws of the words that captions have."""

from __future__ import annotations

from attribution.analysis.known_words import known_words, unsaid_words
from attribution.analysis.shared_facts import CAPTION
from attribution.workspace.workspace import Workspace
from tests.worlds.facts import described


def test_a_column_is_offered_by_the_words_that_its_captions_say_it_with(tiny_world: Workspace) -> None:
    """Law: A word is offered as captions say it, and a value that no caption says is not offered."""
    found = known_words(tiny_world.training_set)
    objects = {each.word: each for each in found["objects"]}
    assert (objects["elephant"].said, objects["elephant"].lead) == ("an elephant", "and")
    grounds = {each.word: each for each in found["ground"]}
    assert (grounds["the moon"].said, grounds["the moon"].lead) == ("the moon", "on")
    assert "collection" not in found  # it is written beside the pictures, not in their captions
    for known in found.values():
        assert [each.images for each in known] == sorted((each.images for each in known), reverse=True)
        for each in known:
            assert any(each.said in caption for caption in tiny_world.training_set.captions)


def test_without_such_a_column_the_commonest_words_that_say_something_are_offered() -> None:
    captions = ["a photo of sks dog"] * 3 + ["a photo of a cat with 2 hats"] * 2 + ["une étoile"]
    offered = known_words(described(captions))[CAPTION]
    assert [(each.word, each.images) for each in offered] == [
        ("photo", 5), ("dog", 3), ("sks", 3), ("cat", 2), ("hats", 2), ("une", 1), ("étoile", 1),
    ]  # fmt: skip


def test_a_word_is_unsaid_exactly_if_no_caption_has_it() -> None:
    """Law: A word of a prompt is marked exactly if no training caption has it, whatever its case."""
    training_set = described(["A red fox", "the Étoile"])
    assert unsaid_words("the RED dragon, dragon & étoile?", training_set) == ["dragon"]
    assert unsaid_words("", training_set) == []
