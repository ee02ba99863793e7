"""One training image, closer: how it was forgotten and what is like it, without a browser."""

from __future__ import annotations

import re

import numpy as np
from PIL import Image

from app.charts.loss_map import overlaid
from app.charts.timesteps import timestep_chart
from app.views.training_image import LossMaps, Neighbour, training_image_view
from attribution.analysis.loss_map import LossMap
from attribution.analysis.near_duplicates import SimilarImage
from attribution.data.training_set import Example
from tests.worlds.markup import Reader

EXAMPLE = Example(1, "train-001", "1.png", "a dog <b>", "0" * 64, {"ground": "snow"})
NEAR = Example(2, "train-002", "2.png", 'a "cat" <i>', "0" * 64, {})
ERRORS = np.full(3, 0.01)
FOUND = LossMap(
    np.ones((4, 4)), (100, 500, 900), np.array([0.5, 0.3, 0.1]), np.array([0.52, 0.29, 0.16]),
    ERRORS, ERRORS, ERRORS,
)  # fmt: skip


def test_a_caption_is_never_markup_in_any_part() -> None:
    picture = Image.new("RGB", (8, 8))
    like = {"CLIP": (Neighbour(NEAR, SimilarImage(2, 0.97, 40.0)),)}
    shown = training_image_view(EXAMPLE, [], LossMaps(picture, {"AbU <u>": FOUND}), like)
    assert not any(tag in shown for tag in ("<b>", "<i>", "<u>"))
    assert 'a "cat" <i>' in Reader(shown).texts


def test_near_duplicates_are_marked_and_spoken_of() -> None:
    def shown(apart: float) -> str:
        return training_image_view(
            EXAMPLE, [], nearest={"CLIP": (Neighbour(NEAR, SimilarImage(2, 0.97, apart)),)}
        )

    assert "near-duplicate" in shown(3.0)
    assert "nearly the same picture" in shown(3.0)
    assert "near-duplicate" not in shown(40.0)


def test_room_is_kept_for_what_is_being_measured() -> None:
    assert "Measuring" in training_image_view(EXAMPLE, [], LossMaps(waiting=True))
    assert "How it was forgotten" not in training_image_view(EXAMPLE, [])


def test_the_chart_has_every_timestep_with_its_error_and_says_where_it_rose_most() -> None:
    chart = timestep_chart(FOUND, "AbU")
    assert len(re.findall('class="(?:rise|fall)-bar"', chart)) == 3
    assert chart.count('class="fall-bar"') == 1
    assert chart.count('class="error"') == 3
    assert "rises most at timestep 900, from 0.1000 to 0.1600" in chart
    assert all(f">{step}<" in chart for step in FOUND.timesteps)


def test_a_chart_of_one_noise_has_no_errors_and_nothing_that_is_not_a_number() -> None:
    nothing = np.full(3, np.nan)
    single = LossMap(FOUND.cells, FOUND.timesteps, FOUND.before, FOUND.after, nothing, nothing, nothing)
    chart = timestep_chart(single, "AbU")
    assert 'class="error"' not in chart
    assert "nan" not in chart
    still = LossMap(FOUND.cells, (500,), *(np.zeros(1) for _ in range(5)))
    assert "nan" not in timestep_chart(still, "AbU")


def test_the_map_is_seen_on_an_object_of_its_own_colour() -> None:
    """The picture is grey under the map, so what is orange has risen."""
    orange = Image.new("RGB", (64, 64), (240, 96, 20))
    rises = np.zeros((16, 16))
    rises[:8, :8] = 1.0
    shown = np.asarray(overlaid(orange, rises)).astype(int)
    assert np.ptp(shown[48, 48]) == 0
    assert shown[12, 12, 0] - shown[12, 12, 2] > 100
    edge = shown[12, 24:40].sum(axis=1)
    assert edge.max() == 3 * 255  # a line around it
