"""Laws of the picture on the page and what is said of it."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from app.runs.run import MAX_PARTS, Picture
from app.views.pictures import on_screen
from app.views.stage import legend, parts_view, stage_view
from attribution.query import Box
from tests.worlds.answers import solid
from tests.worlds.markup import Reader

WHITE = solid("white")


def test_the_stage_shows_the_box_that_the_model_will_use() -> None:
    box, grid = Box(0.52, 0.37, 0.93, 0.83), (16, 16)
    view = stage_view(Picture(WHITE, "a dog"), [box], 0, grid)
    assert view["boxes"][0]["snapped"] == list(box.snapped(*grid).as_tuple())
    shown = Reader(parts_view(Picture(WHITE), [box], 0, grid)).texts
    assert any("7 × 9 of the model's 16 × 16" in text for text in shown)


def test_several_parts_can_be_chosen_and_removed_and_no_more_than_the_most_added() -> None:
    boxes = [Box(0.2 * k, 0, 0.2 * k + 0.2, 1) for k in range(MAX_PARTS)]
    shown = parts_view(Picture(WHITE), boxes[:-1], 1, (16, 16))
    assert shown.count('data-do="choose"') == shown.count('data-do="remove"') == MAX_PARTS - 1
    assert 'data-do="another"' in shown
    assert 'data-do="another"' not in parts_view(Picture(WHITE), boxes, 0, (16, 16))
    assert "whole picture" in parts_view(Picture(WHITE), [], 0, (16, 16))


@pytest.mark.parametrize("size", [(64, 64), (3, 1), (300, 120), (2000, 1000)])
def test_pictures_come_to_the_size_of_the_screen_and_keep_their_shape(size: tuple[int, int]) -> None:
    with Image.open(io.BytesIO(on_screen(Image.new("RGB", size, "teal"), 192))) as shown:
        assert 192 <= max(shown.size) <= 2 * 192
        assert shown.width * size[1] == pytest.approx(shown.height * size[0], rel=0.02)


def test_the_legend_says_how_a_picture_was_made_and_escapes_its_prompt() -> None:
    made = {"seed": 7, "steps": 30, "guidance": 2.0}
    shown = legend(Picture(WHITE, "<b> ${1}", made))
    assert "seed 7 · 30 steps · guidance 2" in shown
    assert "<b>" not in shown
    assert "cut to its centre square" in legend(
        Picture(WHITE, "", {}, (300, 120)), "cut to its centre square"
    )
    assert "cut" not in legend(Picture(WHITE, "", {}, (120, 120)), "cut to its centre square")
