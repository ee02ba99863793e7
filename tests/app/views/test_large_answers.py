"""What it costs to show an answer over a large training set. No browser."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from app.charts.comparison import chance_plot, rank_plot
from app.charts.scores import score_plot
from app.runs.selection import SHOWN, Strip
from app.views.comparison import overlap_table
from app.views.results_grid import results_grid
from app.views.training_image import training_image_view
from attribution.data.training_set import TrainingSet
from attribution.results import Entry, Ranking, Scores
from tests.worlds.rankings import training_set_of
from tests.worlds.strips import PART, named

COUNT = 100_000


def random_strip(training_set: TrainingSet, name: str, rng: np.random.Generator) -> Strip:
    """A method's strip of all the images, with errors and z, in an order of chance."""
    z = rng.standard_normal(COUNT)
    scores = Scores(
        np.arange(COUNT),
        z / 100,
        np.full(COUNT, 0.001),
        {"z_threshold": 4.0, "by_chance": [0.025] * 40},
        z=z,
    )
    ranking = Ranking.of(scores, training_set, name, name.upper(), 0.5, f"all {COUNT:,} training images")
    return Strip(name, name.upper(), named(name), ranking, PART)


def test_an_answer_over_many_images_makes_objects_of_those_that_are_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Law: Showing an answer over 100,000 images makes lines only of those that are shown."""
    training_set = training_set_of([f"train-{row:06}" for row in range(COUNT)])
    rng, made, plain = np.random.default_rng(0), [], Entry.__init__

    def counted(entry: Entry, *args: Any, **fields: Any) -> None:
        made.append(entry)
        plain(entry, *args, **fields)

    monkeypatch.setattr(Entry, "__init__", counted)
    shown = [random_strip(training_set, name, rng) for name in "ab"]
    assert results_grid(shown).count('class="rank"') == 2 * SHOWN
    for figure in (score_plot(shown), rank_plot(*shown), chance_plot(shown)):
        assert figure is not None
    assert f"{COUNT:,}" in overlap_table(shown)
    assert f"of {COUNT:,}" in training_image_view(training_set.examples[7], shown)
    assert 2 * SHOWN <= len(made) < 200  # the type checker of our tests looks at one of each view itself
