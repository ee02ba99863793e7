"""Laws of the studies: their comparisons give known answers, and each runs on a real small world."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from attribution.analysis.significance import CONTROLS
from attribution.data.training_set import Example
from attribution.errors import SettingsError
from attribution.query import Settings
from attribution.workspace.workspace import Workspace
from benchmarks.cutting import cut
from evaluation import studies
from evaluation.reports import Report
from evaluation.studies import Kept, agreement, draws, orders, parts, sketch, verdict
from evaluation.studies.agreement import TOP
from tests.worlds import EMBEDDED


def finished(steps: Generator[str, None, Report]) -> tuple[list[str], Report]:
    """What a study told on its way, and its report."""
    told = []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as stopped:
            return told, stopped.value


# --- what is kept -------------------------------------------------------------------------------


def test_what_is_kept_is_not_measured_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "run")
    np.testing.assert_array_equal(kept.array("a", lambda: np.arange(3)), [0, 1, 2])
    again = kept.array("a", lambda: pytest.fail("it is there already"))
    np.testing.assert_array_equal(again, [0, 1, 2])
    assert [path.name for path in kept.folder.iterdir()] == ["a.npy"]


def test_pictures_are_generated_once_and_a_longer_run_begins_with_the_shorter_one(
    tmp_path: Path, tiny_world: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "STEPS", 2)
    first = Kept(tmp_path).pictures(tiny_world, 1, seed=3)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    both = Kept(tmp_path).pictures(tiny_world, 2, seed=3)
    assert both[0].image.tobytes() == first[0].image.tobytes()
    assert [query.caption for query in both][:1] == [query.caption for query in first]
    assert all(path.stat().st_mtime_ns == time for path, time in made.items())


# --- agreement ----------------------------------------------------------------------------------


def answer(scores: Any, seconds: float = 1.0) -> np.ndarray:
    return np.concatenate([[seconds], np.asarray(scores, float)])


DOWNWARDS = np.arange(100.0)[::-1]  # image 0 first


def test_a_ranking_agrees_with_itself_and_its_opposite_does_not() -> None:
    assert agreement._compared(answer(DOWNWARDS), answer(DOWNWARDS)) == pytest.approx((1, 1))
    assert agreement._compared(answer(-DOWNWARDS), answer(DOWNWARDS)) == pytest.approx((0, -1))


def test_only_the_order_of_scores_counts_for_agreement() -> None:
    found = agreement._compared(answer(np.exp(DOWNWARDS / 10)), answer(DOWNWARDS))
    assert found == pytest.approx((1, 1))


def test_an_image_that_was_not_measured_comes_last() -> None:
    scores = DOWNWARDS.copy()
    scores[TOP // 2 :] = np.nan  # half of the reference's first, and all the others
    recall, _ = agreement._compared(answer(scores), answer(DOWNWARDS))
    assert recall == 1.0  # those not measured keep their order behind the measured ones
    scores = np.full(100, np.nan)
    scores[50:] = DOWNWARDS[50:]
    recall, _ = agreement._compared(answer(scores), answer(DOWNWARDS))
    assert recall == 0.0


def test_recall_counts_what_is_among_the_first_of_both() -> None:
    scores = DOWNWARDS.copy()
    scores[:5] = -1  # five of the reference's first come last
    recall, rho = agreement._compared(answer(scores), answer(DOWNWARDS))
    assert recall == pytest.approx((TOP - 5) / TOP)
    assert -1 < rho < 1


def test_a_run_is_reported_as_a_share_of_what_two_exhaustive_ones_agree_on() -> None:
    other = DOWNWARDS.copy()
    other[:10] = -1 - np.arange(10)  # the second exhaustive run has half of the first one's first
    runs = {
        "refined": [answer(DOWNWARDS, 8.0)],
        "exhaustive a": [answer(DOWNWARDS, 100.0)],
        "exhaustive b": [answer(other, 120.0)],
    }
    report = agreement._report(runs, 100, {"method": "abu"})
    ceiling, refined = report.figures["rows"]
    assert ceiling["recall"] == pytest.approx(0.5)
    assert refined["recall"] == pytest.approx((1.0 + 0.5) / 2)  # the mean over both exhaustive runs
    assert refined["recall_share"] == pytest.approx(1.5)
    assert refined["seconds"] == [8.0]
    assert "| two exhaustive runs | 0.500 |" in report.markdown
    assert "| 110.0 |" in report.markdown


@pytest.mark.slow
def test_agreement_runs_on_a_real_world_and_asks_nothing_twice(
    tmp_path: Path, tiny_world: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreement, "BUDGETS", (200,))
    monkeypatch.setattr(studies, "STEPS", 2)
    few = cut(tiny_world, 40, tmp_path / "few")
    options = {"queries": 1, "seed": 0, "method": "abu", "exhaustive": [few.folder] * 2}
    told, report = finished(agreement.STUDIES[0].run(few, options, Kept(tmp_path)))
    assert told
    runs = {row["run"]: row for row in report.figures["rows"]}
    assert runs.keys() == {"exhaustive", "refined, 200 draws", "first order"}
    assert all(0 <= row["recall"] <= 1 and -1 <= row["spearman"] <= 1 for row in runs.values())
    assert runs["exhaustive"]["recall"] > 0.5  # they differ in the unlearning seed alone
    told, again = finished(agreement.STUDIES[0].run(few, options, Kept(tmp_path)))
    assert told == []
    assert again == report


# --- draws --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_many_draws_agree_better_with_the_reference_than_few(
    tmp_path: Path, tiny_world: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draws, "COUNTS", (2, 256))
    monkeypatch.setattr(draws, "REFERENCE", 512)
    monkeypatch.setattr(studies, "STEPS", 2)
    options = {"queries": 2, "seed": 0}
    _, report = finished(draws.STUDIES[0].run(tiny_world, options, Kept(tmp_path)))
    few, many = (np.mean(row["spearman"]) for row in report.figures["curve"])
    assert few < many <= 1
    assert [row["draws"] for row in report.figures["curve"]] == [2, 256]
    assert "from 512 draws of another seed" in report.markdown
    monkeypatch.setattr(draws, "_scores", lambda *_: pytest.fail("it is kept"))
    assert finished(draws.STUDIES[0].run(tiny_world, options, Kept(tmp_path)))[1] == report


# --- sketch -------------------------------------------------------------------------------------


def fake_scenes(names: list[str]) -> Any:
    examples = [
        Example(row, f"e{row}", f"e{row}.png", name, "", {"objects": [{"name": name}]})
        for row, name in enumerate(names)
    ]
    return SimpleNamespace(training_set=SimpleNamespace(examples=examples))


def test_a_sketch_that_loses_nothing_is_as_good_as_the_exact_scores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sketch, "SIZES", (128, 256))
    names = ["bus"] * sketch.TOP + ["cat"] * 80
    exact = np.arange(len(names), 0, -1.0)[:, None]  # buses first
    scores = np.stack([exact, exact, -exact])[None]  # one curvature: exact, 128 dimensions, 256
    report = sketch._report(fake_scenes(names), scores, ["EK-FAC"], ["bus"])
    found = {row["size"]: row for row in report.figures["rows"]}
    assert found["exact"]["precision"] == 1.0
    assert (found[128]["spearman"], found[128]["recall"], found[128]["precision"]) == pytest.approx(
        (1, 1, 1)
    )
    assert (found[256]["spearman"], found[256]["recall"], found[256]["precision"]) == pytest.approx(
        (-1, 0, 0)
    )
    assert report.figures["base_rate"] == pytest.approx(0.2)


@pytest.mark.slow
def test_the_sketch_study_runs_on_a_real_world_and_a_larger_sketch_is_nearer_to_exact(
    tmp_path: Path, tiny_world: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sketch, "SIZES", (16, 2048))
    monkeypatch.setattr(studies, "STEPS", 2)
    options = {"pictures": 1, "seed": 0}
    few = cut(tiny_world, 40, tmp_path / "few")
    _, report = finished(sketch.STUDIES[0].run(few, options, Kept(tmp_path)))
    rows = {(row["curvature"], row["size"]): row for row in report.figures["rows"]}
    assert {curvature for curvature, _ in rows} == {"EK-FAC", "diagonal", "none"}
    for curvature in ("EK-FAC", "diagonal", "none"):
        assert rows[curvature, "exact"]["spearman"] == pytest.approx(1)
        assert rows[curvature, 16]["spearman"] < rows[curvature, 2048]["spearman"] <= 1


# --- verdict ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("high", "rate"), [(3.9, 0.0), (4.1, 1.0)])
def test_a_false_positive_is_an_unrelated_image_beyond_the_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, high: float, rate: float
) -> None:
    captions = tuple(f"a {word} on a table" for word in ("bus", "cat", "dog", "cup", "hat", "owl"))
    world: Any = SimpleNamespace(training_set=SimpleNamespace(captions=captions))

    def asked(_: object, names: list[str], settings: Settings, box: object) -> np.ndarray:
        """Control k is of caption k and raises the image after it, which shares no telling word."""
        row = settings.seed % 2
        z = np.zeros((2, len(captions)))
        z[0], z[1, row + 1] = row, 0 if box else high
        z[1, 3:] = np.nan if settings.effort == "exhaustive" else z[1, 3:]  # not measured
        return z

    levels = {False: {"first-order": 4.0}, True: {"abu": 4.0}}
    monkeypatch.setattr(verdict, "_levels", lambda _, measuring: levels[measuring])
    monkeypatch.setattr(verdict, "_z", asked)
    _, report = finished(verdict.STUDIES[0].run(world, {"controls": 4, "candidates": 3}, Kept(tmp_path)))
    for name, unrelated in (("first-order", len(captions) - 1), ("abu", 2)):
        found = report.figures["methods"][name]["the whole"]
        assert found["any_false"] == rate
        assert found["per_image_false"] == pytest.approx(rate / unrelated)
        assert found["related_standing_out"] == 0.0
        assert report.figures["methods"][name]["its left half"]["any_false"] == 0


@pytest.mark.slow
def test_the_verdict_runs_on_a_real_world(tmp_path: Path) -> None:
    world = Workspace.open(EMBEDDED / "workspace")
    told, report = finished(
        verdict.STUDIES[0].run(world, {"controls": 1, "candidates": 20}, Kept(tmp_path))
    )
    assert len(told) == report.figures["controls"] == 1
    found = report.figures["methods"]
    assert set(found) == {"first-order", "trak", "d-trak", "das", "divergence", "relative-divergence"}
    assert found["first-order"]["the whole"]["threshold"] == world.load(CONTROLS).threshold
    assert all(0 <= rates["any_false"] <= 1 for by in found.values() for rates in by.values())
    again, same = finished(verdict.STUDIES[0].run(world, {"controls": 1, "candidates": 20}, Kept(tmp_path)))
    assert (again, same.figures) == (told, report.figures)  # what is kept is not measured again


# --- orders -------------------------------------------------------------------------------------


def boxed_answers(
    folder: Path, scores: np.ndarray, errors: list[float | None]
) -> dict[str, frozenset[str]]:
    """Both boxes of two prompts on images of which the first `TOP` show the boxed objects."""
    ids = [f"train-{row}" for row in range(len(scores))]
    for prompt in range(2):
        for asked in ("left", "right"):
            ranked = {"ids": ids, "scores": scores.tolist(), "stderr": errors}
            facts = {"asked": asked, "left": "dog", "right": "cat"}
            text = json.dumps({"facts": facts, "methods": {"abu": ranked}})
            (folder / f"prompt-{prompt:02}-{asked}.json").write_text(text)
    shown = frozenset(ids[:TOP])
    return {"dog": shown, "cat": shown}


def test_an_order_is_compared_by_the_images_it_puts_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores, errors = np.full(60, 1.0), np.full(60, 0.1)
    scores[TOP : 2 * TOP], errors[TOP : 2 * TOP] = 2.0, 4.0  # measured badly: first by score alone
    shows = boxed_answers(tmp_path, scores, errors.tolist())
    monkeypatch.setattr(orders, "scenes_by_object", lambda _: shows)
    world: Any = SimpleNamespace()
    options = {"answers": tmp_path, "methods": ["abu"]}
    _, report = finished(orders.STUDIES[0].run(world, options, Kept(tmp_path / "run")))
    found = {row["order"]: row for row in report.figures["rows"]}
    assert report.figures["prompts"] == 2
    assert found["score"]["precision"] == 0.0
    assert found["score less its error"]["precision"] == found["score over its error"]["precision"] == 1.0
    assert found["score less its error"]["difference_interval"] == (1.0, 1.0)
    assert found["score, those below two errors last"]["precision"] == 1.0


def test_what_its_error_denies_comes_last_and_is_otherwise_in_order() -> None:
    scores, errors = np.array([9.0, 3.0, 8.0, -1.0, 4.0]), np.array([5.0, 1.0, 5.0, 0.1, 2.0])
    values = orders.denied_last(2)(scores, errors)
    assert np.argsort(-values, kind="stable").tolist() == [4, 1, 0, 2, 3]


def test_what_is_measured_badly_is_drawn_to_the_mean_and_more_so_the_worse_it_is() -> None:
    scores = np.array([10.0, 10.0, 10.0, 0.0, 0.0])
    drawn = orders.shrunk(scores, np.array([0.0, 1.0, 3.0, 0.0, 0.0]))
    assert drawn[0] == 10.0
    assert drawn[0] > drawn[1] > drawn[2] > scores.mean()
    np.testing.assert_allclose(orders.shrunk(scores, np.full(5, 100.0)), scores.mean())


@pytest.mark.parametrize(
    ("errors", "words"), [([None] * 60, "no standard errors"), (None, "no answers of abu")]
)
def test_orders_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, errors: list[float | None] | None, words: str
) -> None:
    if errors:
        boxed_answers(tmp_path, np.ones(60), errors)
    monkeypatch.setattr(orders, "scenes_by_object", lambda _: {})
    world: Any = SimpleNamespace()
    with pytest.raises(SettingsError, match=words):
        finished(orders.STUDIES[0].run(world, {"answers": tmp_path, "methods": ["abu"]}, Kept(tmp_path)))


# --- parts --------------------------------------------------------------------------------------


def test_parts_are_held_against_the_scenes_own_boxes(tmp_path: Path, tiny_world: Workspace) -> None:
    told, report = finished(parts.Parts().run(tiny_world, {"seed": 0, "scenes": 3}, Kept(tmp_path)))
    assert told == ["1 of 3 scenes", "2 of 3 scenes", "3 of 3 scenes"]
    assert report.figures["objects"] >= 3
    shares = report.figures["shares"]
    assert 0 <= shares["inside"]["mean"] <= shares["found"]["mean"] <= 1
    assert "overlap of half or more" in report.markdown
