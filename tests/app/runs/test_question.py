"""Laws of a question before it is computed."""

from __future__ import annotations

import pytest

from app.runs.question import checked_run
from app.runs.run import Picture
from attribution.errors import CaptionError, InputError, SettingsError
from attribution.query import Box, Generation
from tests.worlds.answers import solid

WHITE = solid("white")


def test_a_question_without_picture_caption_or_method_says_what_to_do() -> None:
    with pytest.raises(SettingsError, match="picture first"):
        checked_run(None, (), ["random"], "refined", "a dog")
    picture = Picture(WHITE)
    with pytest.raises(CaptionError, match="write it"):
        checked_run(picture, (), ["random"], "refined", " ")
    with pytest.raises(SettingsError, match="at least one"):
        checked_run(picture, (), [], "refined", "a dog")
    with pytest.raises(InputError, match="measures nothing"):
        checked_run(picture, (), ["abu"], "instant", "a dog")


def test_a_generated_picture_is_asked_about_under_its_own_prompt() -> None:
    picture = Picture(WHITE, "a cat on snow", {"seed": 1})
    (part,) = checked_run(picture, (), ["random"], "refined", "something else").parts
    assert part.query.caption == "a cat on snow"
    assert part.query.box is None


def test_a_picture_made_here_brings_its_generation_and_an_upload_does_not() -> None:
    """Law: A method that follows how a picture was made is asked about pictures made here alone."""
    made = {"prompt": "a cat", "seed": 4, "steps": 7, "guidance": 3.0, "model": "this"}
    here, sent = Picture(WHITE, "a cat", made), Picture(WHITE, "", made, (16, 16))
    asked = ["journey-trak", "random"]
    (part,) = checked_run(here, (), asked, "refined", "", "this").parts
    assert part.query.generation == Generation("a cat", 4, 7, 3.0)
    for picture, model in ((sent, "this"), (here, "another")):
        (part,) = checked_run(picture, (), ["random"], "refined", "a cat", model).parts
        assert part.query.generation is None
        with pytest.raises(SettingsError, match="how this one was made is not known"):
            checked_run(picture, (), asked, "refined", "a cat", model)


def test_each_box_is_a_query_of_its_own() -> None:
    boxes = (Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1))
    run = checked_run(Picture(WHITE, "a cat"), boxes, ["random"], "refined", "")
    assert [(part.label, part.query.box) for part in run.parts] == [("A", boxes[0]), ("B", boxes[1])]


def test_methods_the_page_does_not_know_are_not_asked() -> None:
    picture = Picture(WHITE, "a cat")
    with pytest.raises(InputError):
        checked_run(picture, (), ["../abu"], "refined", "")


@pytest.mark.parametrize("chosen", [None, "abu", {"abu": 1}, 7])
def test_what_a_browser_sends_for_methods_need_not_be_a_list(chosen: object) -> None:
    with pytest.raises(SettingsError, match="at least one"):
        checked_run(Picture(WHITE, "a cat"), (), chosen, "refined", "")


def test_names_that_are_no_text_are_not_asked() -> None:
    run = checked_run(Picture(WHITE, "a cat"), (), [["abu"], {}, None, "random"], "refined", "")
    assert run.methods == ("random",)
