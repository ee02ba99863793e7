"""Laws of timing against the number of images: a cut workspace answers as the whole one does."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import pytest

from attribution.analysis.significance import CONTROLS
from attribution.engine import attribute
from attribution.gradients.stored import GRADIENTS
from attribution.query import Query
from attribution.results import Attribution
from attribution.unlearning import parts
from attribution.unlearning.parts import PART
from attribution.workspace.baseline import LOSSES
from attribution.workspace.embeddings import embedding
from attribution.workspace.workspace import Workspace
from benchmarks import scaling
from benchmarks.cutting import cut
from tests.worlds.settings import quick


def test_sizes_are_asked_in_turn_upwards_and_downwards() -> None:
    order = list(scaling.interleaved([1, 2, 3], 2))
    assert order == [(0, 3), (0, 2), (0, 1), (1, 1), (1, 2), (1, 3)]


def test_the_rest_of_a_scan_is_extrapolated_exactly_where_it_is_linear() -> None:
    fixed, each, images = 3.0, 0.04, 8_000
    passed = [fixed + each * PART, fixed + each * 2 * PART]
    assert scaling.extrapolated(passed, images - PART) == pytest.approx(fixed + each * images)


def test_the_scaling_report_has_medians_and_says_what_was_not_measured_whole() -> None:
    seconds = {
        n: scaling.Seconds([1.0, 2.0, 9.0], [0.1] * 3, [8.0] * 3, [n / 25] * 3) for n in (500, 1_000)
    }
    report = scaling.report(seconds, 3, {"cores": 2})
    assert "| 500 | 2.00 s | 0.10 s | 8.00 s | 20 s |" in report.markdown
    assert "timed on slices" in report.markdown
    assert report.figures["growth"]["exhaustive"] == pytest.approx(2)
    assert report.figures["growth"]["instant"] == pytest.approx(1)
    assert set(report.drawings) == {"scaling.svg"}
    json.dumps(report.figures)


@pytest.fixture(scope="module")
def first_forty(tiny_world: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("cut") / "first-40"
    made = cut(tiny_world, 40, folder)
    before = {path: path.stat().st_mtime_ns for path in (folder / "workspace").glob("*/manifest.json")}
    cut(tiny_world, 40, folder)  # what is there is kept
    assert {path: path.stat().st_mtime_ns for path in before} == before
    return made


def test_a_cut_workspace_has_the_whole_ones_rows(tiny_world: Workspace, first_forty: Workspace) -> None:
    assert first_forty.training_set.ids == tiny_world.training_set.ids[:40]
    np.testing.assert_array_equal(first_forty.load(LOSSES), tiny_world.load(LOSSES)[:40])
    rows, query = np.arange(40), np.ones(tiny_world.load(GRADIENTS).sketch.dimensions, np.float32)
    whole, part = tiny_world.load(GRADIENTS), first_forty.load(GRADIENTS)
    np.testing.assert_array_equal(part.lengths, whole.lengths[:40])
    both, kinds = (first_forty, tiny_world), (embedding("pixel"), embedding("clip"))
    pairs = [(part.index, whole.index)]
    pairs += [tuple(each.load(kind).neighbours for each in both) for kind in kinds]
    for near, far in pairs:
        vector = query[: far.index.d]
        np.testing.assert_array_equal(near.scores(vector, rows), far.scores(vector, rows))


def test_control_queries_are_kept_where_their_caption_is(
    tiny_world: Workspace, first_forty: Workspace
) -> None:
    asked = tiny_world.artifact(CONTROLS).tensors("controls.safetensors")["captions"]
    kept = first_forty.artifact(CONTROLS).tensors("controls.safetensors")["captions"]
    assert kept.tolist() == [row for row in asked.tolist() if row < 40]
    assert first_forty.artifact(CONTROLS).manifest["settings"]["controls"] == len(kept)


def test_a_cut_workspace_answers(first_forty: Workspace) -> None:
    query = Query(first_forty.training_set.image(3), first_forty.training_set.captions[3])
    settings = quick({"draws": 4}, effort="instant")
    *_, answer = attribute(first_forty, query, ["pixel", "first-order"], settings)
    assert isinstance(answer, Attribution)
    assert [len(ranking.entries) for ranking in answer.rankings.values()] == [40, 40]
    assert answer.rankings["pixel"].entries[0].row == 3


@pytest.mark.slow
def test_every_size_is_asked_the_same_and_timed(
    tiny_world: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (parts, scaling):
        monkeypatch.setattr(module, "PART", 16)
    few_draws = functools.partial(quick, {"draws": 64, "calibration_draws": 8}, budget=200)
    monkeypatch.setattr(scaling, "Settings", lambda seed, **more: few_draws(seed=seed, **more))
    workspaces = {size: cut(tiny_world, size, tmp_path / str(size)) for size in (40, 60)}
    seconds = scaling.timed(workspaces, 1)
    for size, found in seconds.items():
        assert all(len(values) == 1 and values[0] > 0 for values in vars(found).values()), size
        assert found.search[0] < found.instant[0]  # the gradient is remembered
    assert set(scaling.report(seconds, 1, {}).figures["sizes"]) == {"40", "60"}
