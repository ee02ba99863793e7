"""Laws of the evaluation's statistics, prompts and resumable runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from attribution.data.images import read_image
from attribution.data.training_set import Example
from attribution.errors import MismatchError, SettingsError, TrainingSetError
from attribution.models.base import Generation, GenerationStep
from attribution.query import Query
from attribution.results import Attribution, Entry
from attribution.workspace.workspace import Workspace
from evaluation import runner, statistics
from evaluation.__main__ import main, parser
from evaluation.markdown import table, with_block
from evaluation.prompts import Grammar, two_object_prompts
from evaluation.protocols import Protocol, protocols
from evaluation.protocols.locality import BOXES, LEFT, RIGHT
from evaluation.run_folder import RunFolder
from tests.worlds import TINY
from tests.worlds.rankings import ranking_of

# --- statistics ---------------------------------------------------------------------------------


def test_precision_counts_only_the_first_k() -> None:
    ranked = ["a", "b", "c", "d"]
    assert statistics.precision_at(2, ranked, {"a", "d"}) == 0.5
    assert statistics.precision_at(4, ranked, {"a", "d"}) == 0.5
    assert statistics.precision_at(1, ranked, {"d"}) == 0.0


@pytest.mark.parametrize("k", [0, 5])
def test_precision_beyond_what_was_ranked_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match="not defined"):
        statistics.precision_at(k, ["a", "b", "c", "d"], {"a"})


def test_a_random_ranking_has_the_base_rate_on_average() -> None:
    names, relevant = [str(i) for i in range(100)], {str(i) for i in range(13)}
    draw = np.random.default_rng(0)
    shares = [statistics.precision_at(20, list(draw.permutation(names)), relevant) for _ in range(2_000)]
    assert statistics.share(names, relevant) == 0.13
    assert np.mean(shares) == pytest.approx(0.13, abs=0.005)


def test_the_ceiling_is_what_a_perfect_ranking_reaches() -> None:
    names, relevant = [str(i) for i in range(100)], {str(i) for i in range(13)}
    perfect = sorted(names, key=lambda name: name not in relevant)
    assert statistics.best_precision_at(20, names, relevant) == 13 / 20
    assert statistics.precision_at(20, perfect, relevant) == 13 / 20
    assert statistics.best_precision_at(10, names, relevant) == 1.0


def test_locality_of_a_method_that_ignores_the_box_is_zero() -> None:
    left, right = np.array([0.3, 0.9, 0.0]), np.array([0.1, 0.0, 0.5])
    assert statistics.locality(left, left, right, right).tolist() == [0, 0, 0]


def test_locality_of_a_method_that_sees_only_the_box_is_its_precision() -> None:
    left, right, none = np.array([0.4, 1.0]), np.array([0.2, 1.0]), np.zeros(2)
    assert statistics.locality(left, none, right, none).tolist() == pytest.approx([0.3, 1.0])


def test_locality_of_exchanged_boxes_is_the_opposite() -> None:
    p = np.random.default_rng(0).random((4, 7))
    there = statistics.locality(p[0], p[1], p[2], p[3])
    back = statistics.locality(p[1], p[0], p[3], p[2])
    np.testing.assert_allclose(there, -back)


def test_the_bootstrap_interval_of_a_mean_is_the_normal_one_for_many_prompts() -> None:
    values = np.random.default_rng(1).normal(0.5, 0.2, size=400)
    low, high = statistics.mean_interval(values)
    error = 1.96 * values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - error, abs=0.002)
    assert high == pytest.approx(values.mean() + error, abs=0.002)


def test_the_bootstrap_interval_of_a_constant_is_that_constant() -> None:
    assert statistics.mean_interval(np.full(20, 0.25)) == (0.25, 0.25)
    assert statistics.ratio_interval(np.full(20, 0.6), np.full(20, 0.2)) == pytest.approx((3.0, 3.0))


def test_a_ratio_is_resampled_with_its_base() -> None:
    base = np.random.default_rng(2).random(30) + 0.1
    assert statistics.ratio_interval(2 * base, base) == pytest.approx((2.0, 2.0))


def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    draw = np.random.default_rng(3)
    intervals = [
        statistics.mean_interval(draw.normal(1.0, 1.0, size=40), resamples=400, seed=i) for i in range(400)
    ]
    covered = np.mean([low <= 1.0 <= high for low, high in intervals])
    assert 0.91 <= covered <= 0.97


def test_the_bootstrap_interval_is_that_of_resampling_by_hand() -> None:
    columns = np.random.default_rng(0).random((12, 2))
    drawn = np.random.default_rng(3).integers(12, size=(statistics.RESAMPLES, 12))
    means = columns[drawn].mean(axis=1)
    slow = np.quantile(means[:, 0] / means[:, 1], [0.025, 0.975])
    assert statistics.ratio_interval(*columns.T, seed=3) == pytest.approx(slow, rel=1e-12)
    assert statistics.mean_interval(np.array([0.4])) == (0.4, 0.4)


def test_rank_correlation_is_that_of_mean_ranks_over_whole_pairs() -> None:
    one, other = np.array([3.0, 1, 1, 2, np.nan]), np.array([9.0, 4, 5, np.nan, 1])
    assert statistics.spearman(one, other) == pytest.approx(np.corrcoef([3, 1.5, 1.5], [3, 1, 2])[0, 1])
    assert np.isnan(statistics.spearman(np.ones(4), np.arange(4.0)))


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(4).random(25)
    assert statistics.mean_interval(values, seed=5) == statistics.mean_interval(values, seed=5)
    assert statistics.mean_interval(values, seed=5) != statistics.mean_interval(values, seed=6)


# --- prompts ------------------------------------------------------------------------------------


def scene(row: int, caption: str, names: list[str], ground: str) -> Example:
    metadata = {"objects": [{"name": name, "box": [0, 0, 1, 1]} for name in names], "ground": ground}
    return Example(row, f"e{row}", f"e{row}.png", caption, "", metadata)


SCENES = [
    scene(0, "a bus on a road", ["bus"], "a road"),
    scene(1, "an apple and a coffee on a table", ["apple", "coffee"], "a table"),
    scene(2, "a stop sign and a bus on a road", ["stop sign", "bus"], "a road"),
    scene(3, "a stop sign and an apple on snow, in pixel art", ["stop sign", "apple"], "snow"),
]


def test_the_grammar_is_read_off_the_plain_captions() -> None:
    grammar = Grammar.of(SCENES)
    assert grammar.phrases == {
        "apple": "an apple",
        "bus": "a bus",
        "coffee": "a coffee",
        "stop sign": "a stop sign",
    }
    assert grammar.grounds == ("a road", "a table")  # snow occurs in a style only
    assert frozenset({"stop sign", "apple"}) in grammar.pairs  # a style does not unsee a pair
    assert frozenset({"bus", "apple"}) not in grammar.pairs


def test_prompts_are_a_function_of_the_seed() -> None:
    grammar = Grammar.of(SCENES)
    assert two_object_prompts(grammar, 10, seed=1) == two_object_prompts(grammar, 10, seed=1)
    assert two_object_prompts(grammar, 10, seed=1) != two_object_prompts(grammar, 10, seed=2)
    assert two_object_prompts(grammar, 10, seed=1)[:4] == two_object_prompts(grammar, 4, seed=1)


def test_prompts_are_distinct_sentences_of_two_different_objects_first_named_left() -> None:
    grammar = Grammar.of(SCENES)
    prompts = two_object_prompts(grammar, 24)  # all there are: 4 * 3 * 2
    assert len({prompt.text for prompt in prompts}) == 24
    for prompt in prompts:
        spoken = f"{grammar.phrases[prompt.left]} and {grammar.phrases[prompt.right]} on {prompt.ground}"
        assert prompt.text == spoken
        assert prompt.left != prompt.right
        assert prompt.seen == (frozenset({prompt.left, prompt.right}) in grammar.pairs)
    assert {prompt.seen for prompt in prompts} == {True, False}


def test_more_prompts_than_sentences_are_refused() -> None:
    with pytest.raises(TrainingSetError, match="24 prompts, fewer than 25"):
        two_object_prompts(Grammar.of(SCENES), 25)


def test_a_training_set_without_scenes_is_refused() -> None:
    photographs = [Example(0, "a", "a.jpg", "my dog on the beach", "", {"license": "CC0"})]
    with pytest.raises(TrainingSetError, match="ground truth"):
        Grammar.of(photographs)


def test_the_boxes_do_not_overlap_and_mirror_each_other() -> None:
    assert LEFT.x1 <= RIGHT.x0
    assert (RIGHT.x0, RIGHT.x1) == pytest.approx((1 - LEFT.x1, 1 - LEFT.x0))
    assert (LEFT.y0, LEFT.y1) == (RIGHT.y0, RIGHT.y1)


# --- runs ---------------------------------------------------------------------------------------


def attribution_of(rankings: Mapping[str, list[str]]) -> Attribution:
    return Attribution(
        query={"caption": "a bus on a road", "box": None},
        settings={"seed": 0},
        fingerprints={"model": "m"},
        rankings={
            name: ranking_of(
                [
                    Entry(i, each, i - 1, f"{each}.png", "", -float(i), None)
                    for i, each in enumerate(ids, 1)
                ],
                name,
            )
            for name, ids in rankings.items()
        },
    )


def test_an_answer_survives_and_keeps_the_order(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", {"seed": 0})
    assert folder.missing("q", ["abu", "clip"]) == ("abu", "clip")
    folder.record("q", attribution_of({"abu": ["b", "a"]}), {"left": "bus"})
    again = RunFolder(tmp_path / "run", {"seed": 0})
    assert again.missing("q", ["abu", "clip"]) == ("clip",)
    assert again.answer("q")["methods"]["abu"]["ids"] == ["b", "a"]
    assert again.answer("q")["facts"] == {"left": "bus"}
    assert list((tmp_path / "run").glob("*.part")) == []


def test_a_folder_of_another_run_is_refused_with_both_values(tmp_path: Path) -> None:
    RunFolder(tmp_path, {"seed": 0, "model": "aaa"})
    with pytest.raises(MismatchError, match="model was 'aaa' and is 'bbb'"):
        RunFolder(tmp_path, {"seed": 0, "model": "bbb"})
    RunFolder(tmp_path, {"seed": 0, "model": "aaa", "dino": "new"})  # an encoder more changes nothing


METHODS = ["blind", "seer"]


def fake_workspace() -> Any:
    """33 scenes of one object each, enough for the protocols' bookkeeping, and a model that paints grey."""
    names = ["bus", "apple", "stop sign"]
    phrases = dict(zip(names, ["a bus", "an apple", "a stop sign"], strict=True))
    examples = [scene(i, f"{phrases[n]} on a road", [n], "a road") for i, n in enumerate(names * 11)]
    training_set = SimpleNamespace(
        examples=examples, ids=tuple(e.id for e in examples), captions=tuple(e.caption for e in examples)
    )

    def generate(generation: Generation) -> Iterator[GenerationStep]:
        yield GenerationStep(1, 2)
        yield GenerationStep(2, 2, Image.new("RGB", (8, 8), (generation.seed,) * 3))

    model = SimpleNamespace(fingerprint="m", generate=generate)
    return SimpleNamespace(training_set=training_set, model=model, fingerprints={"model": "m"})


def boxed_object(query: Query) -> str | None:
    """What the box of a query shows, going by its caption."""
    sides = query.caption.removesuffix(" on a road").split(" and ")
    phrase = {LEFT: sides[0], RIGHT: sides[-1], None: None}[query.box]
    return None if phrase is None else phrase.split(" ", 1)[1]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Query]:
    """The queries that were really asked. "seer" ranks scenes of the boxed object first; "blind" ranks
    everything in the same order always."""
    asked: list[Query] = []

    def attribute(workspace: Any, query: Query, methods: Any, settings: Any) -> Iterator[Attribution]:
        asked.append(query)
        examples, wanted = workspace.training_set.examples, boxed_object(query)
        seen = sorted(examples, key=lambda e: (e.metadata["objects"][0]["name"] != wanted, e.row))
        ranked = {"blind": [e.id for e in examples], "seer": [e.id for e in seen]}
        yield attribution_of({method: ranked[method] for method in methods})

    monkeypatch.setattr(runner, "attribute", attribute)
    return asked


def begun(folder: Path, **other: Any) -> runner.Run:
    return runner.Run.begin(protocols()["locality"], fake_workspace(), {**LOCALITY, **other}, folder)


LOCALITY = {"prompts": 6, "candidates": 33, "seed": 0, "top_k": 11, "methods": METHODS}
LOCALITY |= {"steps": 2, "guidance": 1.0, "whole": None}


def test_locality_tells_a_method_that_sees_the_box_from_one_that_does_not(
    tmp_path: Path, asked: list[Query]
) -> None:
    run = begun(tmp_path)
    list(run.steps())
    report = run.write_report()
    seer, blind = (report.figures["methods"][name] for name in ("seer", "blind"))
    assert report.figures["base_rate"] == pytest.approx(1 / 3)
    assert seer["boxed_precision"] == 1.0
    assert seer["ratio"] == pytest.approx(3.0)
    assert seer["locality"] == 1.0
    assert seer["ahead"] - blind["ahead"] == pytest.approx(1.0 - blind["boxed_precision"])
    assert 0.0 in (seer["ahead"], blind["ahead"])  # of the first one from itself
    assert blind["locality"] == 0.0
    assert blind["locality_interval"] == (0.0, 0.0)
    assert "| `seer` |" in report.markdown
    assert json.loads((tmp_path / "report.json").read_text())["run"]["model"] == "m"


@pytest.mark.parametrize("whole", [[], ["blind"]])
def test_without_the_whole_picture_the_boxes_give_the_same_figures(
    tmp_path: Path, asked: list[Query], whole: list[str]
) -> None:
    runs = [begun(tmp_path / str(named), whole=named) for named in (None, whole)]
    for run in runs:
        list(run.steps())
    everything, boxed = (run.report().figures["methods"] for run in runs)
    assert {key: everything["seer"][key] for key in boxed["seer"]} == boxed["seer"]
    assert "whole_precision" not in boxed["seer"]
    assert (boxed["blind"] == everything["blind"]) == (whole == ["blind"])
    assert "not asked" in runs[1].report().markdown


def test_a_method_that_is_not_asked_at_all_is_not_asked_about_the_whole_picture(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--whole names abu, which --methods does not"):
        list(begun(tmp_path, whole=["abu", "seer"]).steps())


def test_an_interrupted_run_asks_only_what_is_missing(tmp_path: Path, asked: list[Query]) -> None:
    steps = begun(tmp_path).steps()
    while not next(steps).seconds:
        pass  # one query is answered, then the run is dropped
    steps.close()
    assert [query.box for query in asked] == [LEFT]
    list(begun(tmp_path).steps())
    assert [query.box for query in asked] == [*BOXES.values()] * 6
    assert len({query.caption for query in asked}) == 6


def test_a_further_method_is_asked_the_same_queries_and_the_others_are_not_asked_again(
    tmp_path: Path, asked: list[Query]
) -> None:
    list(begun(tmp_path, methods=["blind"]).steps())
    later = begun(tmp_path)
    list(later.steps())
    assert [query.box for query in asked] == [*BOXES.values()] * 6 * 2
    both = begun(tmp_path / "at once")
    list(both.steps())
    assert later.report().figures["methods"] == both.report().figures["methods"]
    list(begun(tmp_path).steps())
    assert len(asked) == 3 * 6 * 3


def test_a_picture_is_asked_about_as_its_file_holds_it(tmp_path: Path, asked: list[Query]) -> None:
    list(begun(tmp_path).steps())
    for number, query in enumerate(asked[::3]):
        kept, made = read_image(tmp_path / f"prompt-{number:02d}.png")
        assert query.image.tobytes() == kept.tobytes()
        assert (made["seed"], made["prompt"]) == (number, query.caption)


def test_self_retrieval_ranks_each_image_among_itself_and_random_others(tmp_path: Path) -> None:
    options = {"images": 5, "others": 20, "seed": 0, "methods": METHODS}
    protocol, workspace = protocols()["self-retrieval"], fake_workspace()
    tasks = protocol.tasks(workspace, options, lambda *_: pytest.fail("nothing is generated"))
    again = protocol.tasks(workspace, options, lambda *_: pytest.fail("nothing is generated"))
    assert [t.facts for t in tasks] == [t.facts for t in again]
    for task in tasks:
        candidates = task.settings.candidates
        assert isinstance(candidates, tuple)
        assert len(set(candidates)) == 21
        assert task.facts["id"] in candidates
    answers = []
    for task in tasks:
        itself = task.facts["id"]
        methods = {"seer": {"ids": [itself, "x"]}, "blind": {"ids": ["x", itself]}}
        answers.append({"facts": task.facts, "methods": methods})
    figures = protocol.report(workspace, options, answers).figures["methods"]
    assert (figures["seer"]["median"], figures["blind"]["median"]) == (1, 2)


WORLD = TINY / "workspace"


@pytest.mark.slow
def test_locality_runs_on_a_real_world_and_writes_its_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document, figures = tmp_path / "document.md", tmp_path / "docs" / "figures.json"
    arguments = ["locality", "--workspace", str(WORLD), "--prompts", "1", "--candidates", "30"]
    arguments += ["--top-k", "5", "--steps", "2", "--methods", "pixel", "random"]
    arguments += ["--out", str(tmp_path / "run"), "--document", str(document), "--figures", str(figures)]
    assert main(arguments) == 0
    first = capsys.readouterr()
    assert main(arguments) == 0  # everything is there: nothing is asked, the report is the same
    again = capsys.readouterr()
    assert (again.out, again.err) == (first.out, "")
    told = json.loads(figures.read_text(encoding="utf-8"))
    assert told["run"]["model"] == Workspace.open(WORLD).fingerprints["model"]
    assert told["candidates"] == 30
    assert "| `random` |" in document.read_text(encoding="utf-8")


@pytest.mark.slow
def test_self_retrieval_finds_a_training_image_by_its_own_pixels(tmp_path: Path) -> None:
    arguments = ["self-retrieval", "--workspace", str(WORLD), "--images", "2", "--others", "20"]
    assert main([*arguments, "--methods", "pixel", "--out", str(tmp_path / "run")]) == 0
    told = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert told["methods"]["pixel"]["ranks"] == [1, 1]


def test_an_unknown_method_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["locality", "--workspace", str(WORLD), "--methods", "astrology"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "astrology" in told
    assert "pixel" in told


def test_every_protocol_is_a_command() -> None:
    for name, protocol in protocols().items():
        assert isinstance(protocol, Protocol)
        assert protocol.name == name
        assert parser().parse_args([name]).protocol == name


# --- documents ----------------------------------------------------------------------------------


def test_a_report_replaces_its_own_block_and_nothing_else() -> None:
    document = "# Ours\n\n<!-- a -->\nold\n<!-- /a -->\n\nkept\n"
    assert with_block(document, "a", "new\n") == "# Ours\n\n<!-- a -->\nnew\n<!-- /a -->\n\nkept\n"
    assert with_block(document, "b", "more").endswith("kept\n\n<!-- b -->\nmore\n<!-- /b -->\n")


def test_a_table_has_one_line_a_row() -> None:
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |\n"
