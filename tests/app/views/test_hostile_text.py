"""Whatever people, programs or training sets bring stays text in all that the page shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.charts.timesteps import timestep_chart
from app.runs.archive import RunArchive
from app.runs.examples import ExampleQuestion
from app.runs.run import Part, Picture
from app.views import status
from app.views.comparison import overlap_table
from app.views.counterfactual import picture_view, top_view
from app.views.examples import example_list
from app.views.finding import finding_view
from app.views.history import past_runs
from app.views.report import report
from app.views.results_grid import results_grid
from app.views.stage import legend
from app.views.training_image import LossMaps, Neighbour, training_image_view
from attribution.analysis.counterfactual import (
    CounterfactualCheck,
    CounterfactualSettings,
    Outcome,
    Survivor,
)
from attribution.analysis.loss_map import LossMap
from attribution.analysis.near_duplicates import SimilarImage
from attribution.data.training_set import Example
from attribution.models.base import Generation
from attribution.query import Box, Query
from attribution.results import Attribution
from attribution.unlearning.change import Change, LossChange
from attribution.workspace.workspace import Workspace
from tests.worlds.answers import answered_run, solid, with_captions
from tests.worlds.facts import few_share, ranked
from tests.worlds.markup import Reader
from tests.worlds.strips import run, strip

WHITE = solid("white", 16)
ERRORS = np.full(2, 0.01)
FOUND = LossMap(np.ones((2, 2)), (100, 900), np.ones(2), 2 * np.ones(2), ERRORS, ERRORS, ERRORS)
LOSS = LossChange(0.5, 0.02, 0.6, 0.02, 0.1, 0.01, 0.05, 0.01)


def grid(words: str) -> str:
    shown = strip([1, 2], "key", words, caption=words)
    return results_grid([shown, replace(shown, key=words, ranking=None)], [words, "second"], waiting=True)


def training_image(words: str) -> str:
    example = Example(1, words, words, words, "0" * 64, {"artist": words, "tags": [words, {words: words}]})
    near = {
        words: [
            Neighbour(example, SimilarImage(1, 0.9, 1.0)),
            Neighbour(example, SimilarImage(1, 0.5, 90.0)),
        ]
    }
    maps = LossMaps(WHITE, {words: FOUND})
    return training_image_view(example, [strip([1, 2], title=words)], maps, near)


def check(words: str) -> CounterfactualCheck:
    change = Change(1.0, 2.0, {words: 0.9})
    outcome = Outcome((words,), 0.2, 1.0, LOSS, (WHITE,), (change,))
    survivor = Survivor(Generation(words, 0), WHITE, WHITE, LOSS, change)
    made = (Generation(words, 3),)
    return CounterfactualCheck(
        {"snapped_box": (0.0, 0.0, 0.5, 1.0)},
        CounterfactualSettings(), True, made, (WHITE,), outcome, (outcome,),
        survivors=(survivor,), final=True, warnings=(words,),
    )  # fmt: skip


def finding(words: str) -> str:
    rankings = {"clip": ranked(few_share({words: [{"name": words}]}), range(40), "clip")}
    return finding_view(run(Part("A", Query(WHITE, words), rankings, Attribution({}, {}, {}, rankings))))


VIEWS: dict[str, Callable[[str], str]] = {
    "status": status.running,
    "failure": status.failed,
    "results grid": grid,
    "training image": training_image,
    "timesteps": lambda words: timestep_chart(FOUND, words),
    "overlap": lambda words: overlap_table([strip([1, 2, 3], key, words) for key in "ab"]),
    "counterfactual check": lambda words: top_view(check(words), words),
    "the picture itself": lambda words: picture_view(check(words)),
    "examples": lambda words: example_list([ExampleQuestion(words, 1, Box(0, 0, 1, 1), words)]),
    "finding": finding,
    "legend": lambda words: legend(Picture(WHITE, words, {"seed": words, "steps": words})),
}
HOSTILE = (
    '<img src=x onerror="alert(1)">',
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    "</title></style></button></svg><b>",
    "{{ 7 * 7 }} {% for %} ${1} &amp; a & b",
)


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("view", VIEWS)
def test_hostile_text_is_text_everywhere(view: str, hostile: str) -> None:
    """Law: Text never adds a tag to anything the page shows, and is read as it was written."""
    harmless, attacked = (Reader(VIEWS[view](words)) for words in ("words", hostile))
    assert attacked.tags == harmless.tags
    assert attacked.open == []
    assert any(hostile.lower() in text.lower() for text in attacked.texts)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_captions_are_text_in_what_is_kept(
    tiny_world: Workspace, tmp_path: Path, hostile: str
) -> None:
    """The report and the list of earlier runs read captions back from files."""
    kept = answered_run(tiny_world)
    attacked = with_captions(kept, hostile)
    assert Reader(report(attacked, tiny_world)).tags == Reader(report(kept, tiny_world)).tags
    assert hostile in Reader(report(attacked, tiny_world)).texts
    archive = RunArchive(tmp_path, tiny_world)
    for each in (kept, attacked := replace(attacked, id="a" * 16)):
        archive.keep(each)
    assert Reader(past_runs(archive, [attacked.id])).tags == Reader(past_runs(archive, [kept.id])).tags
    gone = Reader(past_runs(archive, [hostile]))
    assert hostile in gone.texts
    assert gone.tags == Reader(past_runs(archive, ["harmless"])).tags
