"""Laws of the runs that test an answer."""

from __future__ import annotations

import pytest

from app.events.counterfactual import generation_of
from app.runs.run import Picture
from attribution.errors import SettingsError
from attribution.models.base import Generation
from tests.worlds.answers import solid

GREY = solid("grey", 16)


def test_only_a_picture_that_this_model_made_is_made_again() -> None:
    made = {"prompt": "a dog", "seed": 4, "steps": 7, "guidance": 3.0, "model": "this"}
    assert generation_of(Picture(GREY, "a dog", made), "this") == Generation("a dog", 4, 7, 3.0)
    assert generation_of(Picture(GREY, "a dog", made), "another") is None
    assert generation_of(Picture(GREY, "a dog"), "this") is None
    with pytest.raises(SettingsError):
        generation_of(Picture(GREY, "a dog", {**made, "steps": 10**6}), "this")
