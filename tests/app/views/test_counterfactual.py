"""Laws of a test of an answer in words and pictures, without a browser."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image

from app.views.counterfactual import Beside, picture_verdict, picture_view, top_verdict, top_view
from attribution.analysis.counterfactual import (
    MATCHED,
    Comparison,
    CounterfactualCheck,
    CounterfactualSettings,
    Outcome,
    Survivor,
)
from attribution.models.base import Generation
from attribution.unlearning.change import Change, LossChange

GREY = Image.new("RGB", (16, 16), (120, 120, 120))


MADE = Generation("a dog <b>", seed=3)


def loss(change: float, error: float = 0.01) -> LossChange:
    """Of a picture whose predictions moved by a share of its loss, which rose by as much."""
    moved = (0.5 * change, 0.5 * error)
    return LossChange(0.5, 0.02, 0.5 * (1 + change), 0.02, *moved, *moved)


def outcome(
    relative: float, error: float = 0.01, apart: float = 20.0, outside: float | None = None
) -> Outcome:
    change = Change(apart, outside, {"clip": 0.9})
    return Outcome(("a", "b"), 0.2, 1.0, loss(relative, error), (GREY,), (change,))


def survivor(relative: float) -> Survivor:
    return Survivor(Generation("a cat <i>", 0), GREY, GREY, loss(relative), Change(2.0, None, {}))


WHOLE = CounterfactualCheck(
    {"snapped_box": (0.25, 0.5, 0.75, 1.0), "box": (0.3, 0.5, 0.7, 1.0)},
    CounterfactualSettings(),
    True,
    (MADE,),
    (GREY,),
    outcome(0.3),
    (outcome(0.01), outcome(0.05)),
    final=True,
)


ITSELF = replace(WHOLE, controls=(), survivors=tuple(survivor(0.01) for _ in range(4)))


def test_a_clear_difference_from_the_controls_is_said_to_be_one() -> None:
    head, measured = top_verdict(WHOLE)
    assert "more than on random ones" in head
    assert "30.0% ± 1.0" in measured
    assert "1.0% ± 1.0 and 5.0% ± 1.0" in measured


@pytest.mark.parametrize(
    ("top", "control"),
    [
        (outcome(0.3, error=0.2), outcome(0.1, error=0.1)),
        (outcome(0.05), outcome(0.3)),
        (outcome(0.30), outcome(0.28)),
    ],
)
def test_what_is_not_clear_is_not_claimed(top: Outcome, control: Outcome) -> None:
    """Law: What a check does not show clearly is not claimed, and not held against the answer."""
    head, measured = top_verdict(replace(WHOLE, outcome=top, controls=(control, control)))
    assert "cannot tell" in head
    assert "says nothing against the answer" in measured


def test_unrelated_pictures_that_suffer_are_told() -> None:
    assert "survived" in picture_verdict(ITSELF)[0]
    suffering = replace(ITSELF, survivors=(survivor(0.2), survivor(0.0)))
    assert "suffered" in picture_verdict(suffering)[0]
    assert "no unrelated picture" in picture_verdict(replace(ITSELF, survivors=()))[0]


def test_every_column_is_there_before_it_is_filled() -> None:
    begun = replace(WHOLE, outcome=None, controls=(), final=False)
    half = replace(WHOLE, controls=(), final=False)
    for check, blanks in ((begun, 3), (half, 2), (WHOLE, 0)):
        shown = top_view(check, "the first", at_work=not check.final)
        assert shown.count('<figure class="proof-column') == 4
        assert shown.count("proof-blank") == blanks
        assert ("verdict" in shown) == check.final
    assert picture_view(replace(ITSELF, survivors=(), final=False)).count("proof-blank") == 4
    assert top_view(None, "") == picture_view(None) == ""


def test_what_was_stopped_shows_what_was_found_and_says_so() -> None:
    half = replace(WHOLE, controls=(), compared=(Comparison(MATCHED),), final=False)
    shown = top_view(half, "the first")
    assert shown.count('<figure class="proof-column') == 2
    assert "proof-blank" not in shown
    assert "stopped before" in shown
    assert "stopped before" not in top_view(WHOLE, "the first")


def test_further_sets_stand_beside_the_controls_and_change_no_verdict() -> None:
    """Law: A verdict is drawn from random sets alone, whatever further sets show."""
    compared = (Comparison(MATCHED, outcome(0.28)), Comparison("clip", outcome(0.4)))
    check = replace(WHOLE, compared=compared)
    assert top_verdict(check)[0] == top_verdict(WHOLE)[0]
    measured = top_verdict(check)[1]
    assert "As many with the same words, by 28.0%" in measured
    assert "the first of CLIP image, by 40.0%" in measured
    shown = top_view(check, "the first")
    assert "After unlearning 2 with the same words" in shown
    assert "After unlearning the first 2 of CLIP image" in shown
    begun = replace(check, compared=(Comparison(MATCHED), Comparison("clip")), final=False)
    assert "verdict" in top_view(begun, "the first", at_work=True)  # it needs no more than the controls


def test_the_slider_has_a_stop_for_all_that_was_made() -> None:
    beside = Beside("20 of the first <b>20</b>", [(3, "a dog <i>"), (4, "a cat")])
    shown = top_view(WHOLE, "the first", beside)
    assert shown.count("data-stop=") == 4
    assert shown.count('<img src="thumbs/') == 2
    assert not any(tag in shown for tag in ("<b>", "<i>"))
    begun = replace(WHOLE, outcome=None, controls=(), final=False)
    assert top_view(begun, "the first", beside, at_work=True).count("data-stop=") == 1
    assert "data-stop=" not in top_view(WHOLE, "the first")  # on paper nothing can be pushed


def test_a_prompt_is_never_markup() -> None:
    for shown in (top_view(WHOLE, "<u>"), picture_view(ITSELF)):
        assert not any(tag in shown for tag in ("<b>", "<i>", "<u>"))


def test_the_box_is_drawn_only_where_it_means_the_same_thing() -> None:
    assert "left:25.00%;top:50.00%;width:50.00%;height:50.00%" in top_view(WHOLE, "")
    other = replace(WHOLE, same_noise=False)
    assert "picture-box" not in top_view(other, "")
    assert "not known" in top_view(other, "")


def test_it_says_what_is_not_shown() -> None:
    for shown in (top_view(WHOLE, ""), picture_view(ITSELF)):
        assert "What this shows, and what it does not" in shown
    assert "never" in top_view(WHOLE, "")


def test_a_falling_loss_has_one_sign() -> None:
    shown = top_view(replace(WHOLE, controls=(outcome(-0.05), outcome(0.0))), "")
    assert "+\N{MINUS SIGN}" not in shown
    assert "\N{MINUS SIGN}5.0%" in shown
