"""Laws of making a picture: previews change nothing, and weights are values."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from attribution.models.base import Generation, GenerationStep
from attribution.models.sampler import preview_steps
from attribution.workspace.workspace import Workspace
from tests.worlds.weights import checksum

MADE_FROM = Generation("a red bus on a street", seed=3, steps=6)


def bytes_of(*steps: GenerationStep) -> bytes:
    assert steps[-1].image is not None
    return steps[-1].image.tobytes()


def test_a_picture_is_the_same_with_previews_and_with_its_own_weights_given(tiny_world: Workspace) -> None:
    """Law: A picture is the same with previews and without, and under its own weights given."""
    model = tiny_world.model
    plain = bytes_of(*model.generate(MADE_FROM))
    assert bytes_of(*model.generate(MADE_FROM, previews=4)) == plain
    assert bytes_of(*model.generate(MADE_FROM, model.weights)) == plain


def test_other_weights_make_another_picture_and_change_no_loaded_one(tiny_world: Workspace) -> None:
    model, before = tiny_world.model, checksum(tiny_world)
    plain = bytes_of(*model.generate(MADE_FROM))
    other = {name: weight + 0.2 for name, weight in model.weights.items()}
    assert bytes_of(*model.generate(MADE_FROM, other)) != plain
    assert bytes_of(*model.generate(MADE_FROM)) == plain
    assert checksum(tiny_world) == before


def test_previews_are_pictures_on_their_way_to_the_last(tiny_world: Workspace) -> None:
    *steps, last = tiny_world.model.generate(MADE_FROM, previews=3)
    shown = [step.done for step in steps if step.preview is not None]
    assert shown == sorted(preview_steps(6, 3))
    assert len(shown) == 3
    assert last.preview is None
    assert last.image is not None

    def distance(image: Image.Image) -> float:
        assert last.image is not None
        return float(np.abs(np.asarray(image, float) - np.asarray(last.image, float)).mean())

    apart = [distance(step.preview) for step in steps if step.preview is not None]
    assert apart[-1] < apart[0]


@pytest.mark.parametrize("steps", [1, 2, 7, 30])
@pytest.mark.parametrize("previews", [0, 1, 5, 100])
def test_previews_are_as_many_as_asked_for_or_as_there_are_steps(steps: int, previews: int) -> None:
    shown = preview_steps(steps, previews)
    assert len(shown) == min(previews, steps - 1)
    assert all(1 <= step < steps for step in shown)
