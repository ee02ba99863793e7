"""Laws of why an image may stand where it does. No browser: a function from results to sentences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.runs.run import Part
from app.runs.selection import Strip
from app.views.reasons import Reason, reasons
from attribution.analysis.significance import Null, null_of
from attribution.data.training_set import Example
from attribution.methods.base import method
from attribution.query import Query
from tests.worlds.strips import WHITE, ranking

IMAGES, CONTROLS = 100, 60
EXAMPLE = Example(1, "train-00001", "1.png", "a stop sign on a road", "0" * 64, {})
PART = Part("A", Query(WHITE, "a motorcycle and a stop sign on a road"))
COMMON = {"a", "on", "and"}


def strip_of(name: str, order: list[int], **more: float | bool) -> Strip:
    each = method(name)
    return Strip(name, each.title, each, ranking(order, name, **more), PART)  # type: ignore[arg-type]


def about(found: list[Reason]) -> dict[str, Reason]:
    return {reason.about: reason for reason in found}


def null_with_a_favourite() -> Null:
    """Control queries of which every one has image 1 first."""
    scores = np.random.default_rng(0).normal(size=(IMAGES, CONTROLS))
    scores[1] += 50
    return null_of(scores, np.zeros((IMAGES, CONTROLS), bool))


def test_an_image_that_is_first_for_everything_is_told_to_be() -> None:
    """Law: An image that comes first for unrelated pictures too is told to, with how often by chance."""
    first_order = {"First order": null_with_a_favourite()}
    often = about(reasons(EXAMPLE, [strip_of("clip", [1, 2])], first_order, COMMON))
    assert "First order: it is among the first 20 for 60 of 60 pictures" in often["Other pictures"].words
    assert "is for 12.0" in often["Other pictures"].words  # 20 of 100
    assert often["Other pictures"].doubt
    other = replace(EXAMPLE, row=2, id="train-00002")
    seldom = about(reasons(other, [strip_of("clip", [1, 2])], first_order, COMMON))
    assert not seldom["Other pictures"].doubt
    assert "Other pictures" not in about(reasons(EXAMPLE, [strip_of("clip", [1, 2])], {}, COMMON))


def test_noise_and_chance_are_told_by_the_method_that_knows() -> None:
    unsure = about(reasons(EXAMPLE, [strip_of("abu", [1, 2], stderr=0.9)], {}, COMMON))
    assert unsure["Noise"].words.startswith(f"{method('abu').title}: its score is less than")
    assert unsure["Noise"].doubt
    assert "Chance" not in unsure
    judged = [strip_of("first-order", [1, 2, 3], z=True)]  # of z 9, 4.5 and 3 beside a threshold of 4
    assert "it stands out (z 9.0)" in about(reasons(EXAMPLE, judged, {}, COMMON))["Chance"].words
    third = about(reasons(replace(EXAMPLE, id="train-00003", row=3), judged, {}, COMMON))
    assert third["Chance"].doubt
    assert "does not stand out (z 3.0)" in third["Chance"].words


def test_shared_words_are_those_that_say_something() -> None:
    shown = [strip_of("clip", [1, 2])]
    assert (
        "shares “stop”, “sign”, “road” with" in about(reasons(EXAMPLE, shown, {}, COMMON))["Caption"].words
    )
    other = replace(EXAMPLE, caption="a dog on a beach")
    assert "no telling word" in about(reasons(other, shown, {}, COMMON))["Caption"].words


def test_what_looks_alike_is_said_by_embeddings_of_pictures_alone() -> None:
    for name, said in (("clip", True), ("random", False), ("clip-text", False), ("abu", False)):
        found = about(reasons(EXAMPLE, [strip_of(name, [1, 2])], {}, COMMON))
        assert ("Likeness" in found) == said, name


def test_of_an_image_that_nobody_was_asked_about_nothing_is_said() -> None:
    assert reasons(EXAMPLE, [], {"First order": null_with_a_favourite()}, COMMON) == []
