"""Laws of how many control queries there are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from attribution.analysis.control_queries import controls_for
from attribution.analysis.significance import LEVEL, Null, null_of

RELATED = 0.25  # of all pairs of image and control
Draw = Callable[..., np.ndarray]


@pytest.mark.parametrize(
    ("images", "controls"),
    [(1, 60), (24, 60), (60, 60), (61, 80), (150, 160), (199, 200), (3_000, 200), (118_000, 200)],
)
def test_controls_follow_the_number_of_images(images: int, controls: int) -> None:
    """Law: There are as many control queries as images, but from 60 to 200."""
    assert controls_for(images) == controls


@pytest.mark.parametrize("tail", ["normal", "heavy"])
@pytest.mark.parametrize("images", [8, 24, 60])
def test_a_small_training_sets_null_keeps_its_level(images: int, tail: str) -> None:
    """Law: The null of a small training set keeps its level over nulls, whatever the tails."""
    rng = np.random.default_rng(images)

    def draw(*size: int) -> np.ndarray:
        return rng.normal(size=size) if tail == "normal" else rng.standard_t(4, size=size)

    wrong = [rate(made(images, controls_for(images), draw, rng), images, draw, rng) for _ in range(40)]
    assert 0.5 * LEVEL < np.mean(wrong) < 1.5 * LEVEL


def test_fewer_controls_would_see_less_and_more_would_not_see_more() -> None:
    """With 24 images: an image six deviations beyond chance stands out."""
    rng = np.random.default_rng(0)

    def draw(*size: int) -> np.ndarray:
        return rng.normal(size=size)

    def seen(controls: int) -> float:
        return float(np.mean([stands_out(made(24, controls, draw, rng), draw, rng) for _ in range(400)]))

    ours = seen(controls_for(24))
    assert ours > 0.85
    assert seen(40) < ours - 0.1
    assert seen(200) < ours + 0.1


def made(images: int, controls: int, draw: Draw, rng: np.random.Generator) -> Null:
    related = rng.random((images, controls)) < RELATED
    return null_of(draw(images, controls) + 2 * related, related)


def rate(null: Null, images: int, draw: Draw, rng: np.random.Generator) -> float:
    """The share of fresh queries of nothing in which an unrelated image stands out."""
    wrong = 0
    for _ in range(50):
        related = rng.random(images) < RELATED
        wrong += bool((null.z(draw(images) + 2 * related)[~related] > null.threshold).any())
    return wrong / 50


def stands_out(null: Null, draw: Draw, rng: np.random.Generator) -> bool:
    scores = draw(24) + 2 * (rng.random(24) < RELATED)
    scores[0] += 6
    return bool(null.z(scores)[0] > null.threshold)
