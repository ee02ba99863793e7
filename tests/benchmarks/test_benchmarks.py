"""Laws of what the benchmarks do with their measurements. How long anything takes is not tested."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from attribution.engine import attribute
from attribution.methods import abu
from attribution.methods.abu import PART
from attribution.models.base import open_model
from attribution.models.batch import Batch
from attribution.models.draws import Probe
from attribution.models.layer_calls import LayerCall
from attribution.models.losses import example_losses
from attribution.models.stable_diffusion import PipelineModel
from attribution.query import Query, Settings
from attribution.results import Attribution
from attribution.workspace.workspace import Workspace
from benchmarks import published_shape, room, scaling, table
from benchmarks.__main__ import BENCHMARKS, block_of, parser, with_default
from benchmarks.chart import Line, Scale, apart, log_log
from benchmarks.cutting import cut
from benchmarks.memory import megabytes
from benchmarks.published import Comparison
from benchmarks.published_shape import Timing, refined_draws, spoken
from benchmarks.reports import Report, publish
from benchmarks.rounding import RoundedModel, rounding
from benchmarks.scanning import mean_losses, noise_ahead, noise_now
from benchmarks.shapes import MSCOCO, Shape, random_images, write_pipeline

MINIATURE = Shape((32, 32), 1, 4, (4, 8), 32, 24, images=6, flips=2, captions=3, timesteps=4)


# --- the command line ---------------------------------------------------------------------------


def test_every_benchmark_is_a_command_and_the_table_is_the_one_not_named() -> None:
    for name in BENCHMARKS:
        assert parser().parse_args([name]).benchmark == name
    assert with_default(["--queries", "3"]) == ["table", "--queries", "3"]
    assert with_default([]) == ["table"]
    assert with_default(["scaling", "--prepare"]) == ["scaling", "--prepare"]
    assert with_default(["--help"]) == ["--help"]


def test_figures_of_a_gpu_do_not_replace_those_of_the_cpu() -> None:
    assert block_of("table", "cpu") == "table"
    assert block_of("table", "cuda:0") == block_of("table", "cuda") == "table-cuda"


def test_a_report_goes_between_its_marks_and_its_figures_beside(tmp_path: Path) -> None:
    document = tmp_path / "PERFORMANCE.md"
    document.write_text("# Ours\n\n<!-- x -->\nold\n<!-- /x -->\n\nkept\n", encoding="utf-8")
    publish(Report({"a": 1}, "new\n", {"x.svg": "<svg/>"}), "x", tmp_path)
    assert document.read_text(encoding="utf-8") == "# Ours\n\n<!-- x -->\nnew\n<!-- /x -->\n\nkept\n"
    assert json.loads((tmp_path / "performance" / "x.json").read_text()) == {"a": 1}
    assert (tmp_path / "performance" / "x.svg").read_text() == "<svg/>"


# --- the chart ----------------------------------------------------------------------------------


def test_a_tenfold_value_is_as_far_from_one_as_a_hundredfold_from_ten() -> None:
    scale = Scale(1, 100, 0, 200)
    assert [scale(value) for value in (1, 10, 100)] == pytest.approx([0, 100, 200])


def test_names_that_would_overlap_are_moved_apart_and_keep_their_order() -> None:
    assert apart([10, 100, 200], 15) == [10, 100, 200]
    assert apart([100, 103, 40], 15) == [100, 115, 40]
    assert apart([103, 100, 101], 15) == [130, 100, 115]


def test_the_chart_is_whole_svg_with_every_line_and_dashes_where_not_measured() -> None:
    lines = [
        Line("scan & rank", [(500, 10.0), (8_000, 160.0)], dashed=True),
        Line("b", [(500, 1), (8_000, 2)]),
    ]
    drawn = ElementTree.fromstring(log_log(lines, "images", "seconds"))
    tags = [element.tag.split("}")[1] for element in drawn.iter()]
    assert (tags.count("polyline"), tags.count("circle")) == (2, 4)
    words = [element.text for element in drawn.iter() if element.tag.endswith("text")]
    assert {"scan & rank", "b", "500", "8,000", "images", "seconds"} <= set(words)
    dashed = ["stroke-dasharray" in e.attrib for e in drawn.iter() if e.tag.endswith("polyline")]
    assert dashed == [True, False]


def test_a_linear_cost_has_slope_one_in_the_chart() -> None:
    drawn = log_log([Line("linear", [(10, 1), (100, 10), (1_000, 100)])], "", "")
    points = re.findall(r"<polyline points='([^']+)'", drawn)[0].split()
    ys = [float(point.split(",")[1]) for point in points]
    assert ys[0] - ys[1] == pytest.approx(ys[1] - ys[2], abs=0.2)


# --- the table ----------------------------------------------------------------------------------


def test_the_table_has_medians_and_the_slowest_look_up() -> None:
    seconds = {table.START: [3.0, 4.0, 9.0], table.PROVISIONAL: [0.4], table.WHOLE: [1.5]}
    seconds |= {"clip": [0.01], "dino": [0.02, 0.05, 0.04], "abu: checking controls": [0.9]}
    rows = dict(table.summary(seconds, [8.0, 7.0, 12.0]))
    assert rows["page start, from `python app.py` to its first answered request"] == "4.0 s"
    assert "0.04 s" in rows.values()
    assert rows["refined AbU, all stages, from nothing"] == "8.0 s"
    assert any("controls 0.9" in name for name in rows)


def test_both_ratios_of_the_comparison_follow_from_its_seconds() -> None:
    found = Comparison(3e-3, 2e-3, 1.0, 300.0, 100.0, (5.0, 4.0, 50.0), images=10)
    assert found.exhaustive_ratio == pytest.approx(1.5)
    assert [row[-1] for row in table.beside(found)] == ["1.50", "1.00000", "80", "20"]


# --- scaling ------------------------------------------------------------------------------------


def test_sizes_are_asked_in_turn_upwards_and_downwards() -> None:
    order = list(scaling.interleaved([1, 2, 3], 2))
    assert order == [(0, 3), (0, 2), (0, 1), (1, 1), (1, 2), (1, 3)]


def test_the_rest_of_a_scan_is_reckoned_exactly_where_it_is_linear() -> None:
    fixed, each, images = 3.0, 0.04, 8_000
    passed = [fixed + each * PART, fixed + each * 2 * PART]
    assert scaling.reckoned(passed, images - PART) == pytest.approx(fixed + each * images)


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
    np.testing.assert_array_equal(first_forty.losses(), tiny_world.losses()[:40])
    rows, query = np.arange(40), np.ones(tiny_world.first_order().sketch.dimensions, np.float32)
    whole, part = tiny_world.first_order(), first_forty.first_order()
    np.testing.assert_array_equal(part.lengths, whole.lengths[:40])
    for name in ("gradients", "embeddings-pixel", "embeddings-clip"):
        near, far = (each.neighbours(name) for each in (first_forty, tiny_world))
        vector = query[: far.index.d]
        np.testing.assert_array_equal(near.scores(vector, rows), far.scores(vector, rows))


def test_control_queries_are_kept_where_their_caption_is(
    tiny_world: Workspace, first_forty: Workspace
) -> None:
    asked = tiny_world.artifact("controls").tensors("controls.safetensors")["captions"]
    kept = first_forty.artifact("controls").tensors("controls.safetensors")["captions"]
    assert kept.tolist() == [row for row in asked.tolist() if row < 40]
    assert first_forty.artifact("controls").manifest["settings"]["controls"] == len(kept)


def test_a_cut_workspace_answers(first_forty: Workspace) -> None:
    query = Query(first_forty.training_set.image(3), first_forty.training_set.captions[3])
    settings = Settings(effort="instant", unlearning_draws=4)
    *_, answer = attribute(first_forty, query, ["pixel", "first-order"], settings)
    assert isinstance(answer, Attribution)
    assert [len(ranking.entries) for ranking in answer.rankings.values()] == [40, 40]
    assert answer.rankings["pixel"].entries[0].row == 3


@pytest.mark.slow
def test_every_size_is_asked_the_same_and_timed(
    tiny_world: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (abu, scaling):
        monkeypatch.setattr(module, "PART", 16)
    workspaces = {size: cut(tiny_world, size, tmp_path / str(size)) for size in (40, 60)}
    seconds = scaling.timed(workspaces, 1)
    for size, found in seconds.items():
        assert all(len(values) == 1 and values[0] > 0 for values in vars(found).values()), size
        assert found.search[0] < found.instant[0]  # the gradient is remembered
    assert set(scaling.report(seconds, 1, {}).figures["sizes"]) == {"40", "60"}


# --- the published shape ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pipeline(MINIATURE, tmp_path_factory.mktemp("shape") / "model")


def test_a_pipeline_has_the_shape_that_was_asked_for(miniature: Path) -> None:
    model = open_model(miniature)
    assert model.latent_shape == (4, 8, 8)
    assert {weight.shape[1] for weight in model.weights.values()} == {32}
    assert model.encode_captions(["a cat"]).tokens.shape == (1, 24, 32)
    assert list(model.unet.config.block_out_channels) == [32, 32]  # type: ignore[attr-defined]
    images = random_images(MINIATURE, 2)
    assert len(images.ids) == len(set(images.ids)) == 2 * 2 * 3
    assert images.latents.shape == (12, 4, 8, 8)
    assert images.captions.tokens.shape == (12, 24, 32)


def test_the_published_scan_has_as_many_draws_as_the_paper_says() -> None:
    assert MSCOCO.images * MSCOCO.draws_each == 118_287 * 2 * 5 * 20
    assert refined_draws(MSCOCO) == 10_000 * 20 * 2


def test_noise_made_ahead_is_the_noise_made_now() -> None:
    probe, ids = Probe((10, 20, 30), noises=2), tuple(f"image-{k}" for k in range(11))
    with ThreadPoolExecutor(3) as pool:
        for batch in (1, 12, 30, 1_000):
            ahead = list(noise_ahead(pool, 3, probe, ids, (4, 8, 8), batch))
            now = list(noise_now(probe, ids, (4, 8, 8), batch))
            for one, other in zip(zip(*ahead, strict=True), zip(*now, strict=True), strict=True):
                np.testing.assert_array_equal(np.concatenate(one), np.concatenate(other))


def test_the_timed_scan_measures_what_the_library_measures(miniature: Path) -> None:
    model = PipelineModel(miniature, "cpu")
    images = random_images(MINIATURE, 2)
    probe = Probe((100, 500, 900), noises=2)
    found = mean_losses(model, model.weights, images, noise_now(probe, images.ids, model.latent_shape, 7))
    losses = example_losses(model, model.weights, images.latents, images.captions, images.ids, probe)
    np.testing.assert_allclose(found, losses.mean(axis=(1, 2)), rtol=1e-5)


def test_seconds_are_scaled_from_the_slice_and_what_is_fixed_is_not() -> None:
    timing = Timing(draw=0.5, alone=1.0, noise=0.1, fixed=7.0, rise=0.1, draws=10)
    assert timing.exhaustive(MINIATURE) == 7.0 + 0.5 * 6 * 2 * 3 * 4
    assert timing.refined(MINIATURE) == 7.0 + 0.5 * 6 * 4 * 2


def test_durations_are_said_in_the_unit_that_fits() -> None:
    spans = (9.84, 600, 8_000, 200_000)
    assert [spoken(seconds) for seconds in spans] == ["9.8 s", "10.0 min", "2.2 h", "2.3 days"]


def test_rounding_is_measured_against_the_spread_of_scores() -> None:
    exact = np.array([0.0, 1.0, 2.0, 3.0])
    assert rounding(exact, exact).ratio == 0.0
    found = rounding(exact, exact + 0.5)
    assert found.error == pytest.approx(0.5)
    assert found.ratio == pytest.approx(0.5 / exact.std())
    assert found.spearman == pytest.approx(1.0)
    assert rounding(exact, -exact).spearman == pytest.approx(-1.0)


def test_a_rounded_model_projects_keys_and_values_in_single_precision(miniature: Path) -> None:
    exact, rounded = PipelineModel(miniature, "cpu"), RoundedModel(miniature, "cpu")
    images = random_images(MINIATURE, 1)
    seen: dict[str, torch.dtype] = {}
    calls_of = rounded._calls

    def spy(*arguments: object) -> Mapping[str, LayerCall]:
        found = calls_of(*arguments)  # type: ignore[arg-type]
        seen.update({name: call.outputs[0].dtype for name, call in found.items()})
        return found

    rounded._calls = spy  # type: ignore[method-assign]
    noise, timesteps = torch.ones_like(images.latents), torch.full((6,), 500)
    sides = [
        model.squared_errors(model.weights, Batch(images.latents, images.captions, noise, timesteps))
        for model in (exact, rounded)
    ]
    assert set(seen.values()) == {torch.float32}
    assert sides[1].dtype == torch.float32
    assert 0 < float((sides[0] - sides[1]).abs().max()) < 0.1


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


@pytest.mark.slow
def test_the_published_shape_in_miniature(
    miniature: Path, tiny_world: Workspace, pool: ThreadPoolExecutor
) -> None:
    given = {"device": "cpu", "slice": 2, "rounds": 1, "precision": "bf16", "batch_size": 16, "rounded": 3}
    options = argparse.Namespace(
        **given, noise_processes=1, cache=miniature, workspace=tiny_world.folder, threads=None
    )
    report = published_shape.benchmark(MINIATURE, options, pool)
    assert report.figures["timing"]["draws"] == 2 * MINIATURE.draws_each
    assert report.figures["timing"]["rise"] == pytest.approx(0.10, abs=0.0101)
    assert "**scaled**" in report.markdown
    assert "Against fp32, bf16 moves scores by" in report.markdown
    json.dumps(report.figures)


# --- room ---------------------------------------------------------------------------------------


def test_resident_memory_is_read_from_the_kernels_words() -> None:
    status = "Name:\tpython\nVmPeak:\t 9 kB\nVmHWM:\t 2097152 kB\nVmRSS:\t 1048576 kB\nThreads:\t4\n"
    assert megabytes(status) == (1024.0, 2048.0)


def test_the_bytes_of_all_artifacts_are_those_on_disk(tiny_world: Workspace) -> None:
    found = room.sizes(tiny_world.folder)
    files = [path for path in tiny_world.folder.rglob("*") if path.is_file()]
    config = (tiny_world.folder / "workspace.json").stat().st_size
    whole = sum(room.once + room.growing for room in found.values())
    assert whole == sum(path.stat().st_size for path in files) - config
    assert found["fisher"].growing == 0
    assert found["losses"].growing == (tiny_world.folder / "losses" / "losses.npy").stat().st_size
    assert {"losses", "gradients", "controls", "embeddings-clip"} <= found.keys()
