"""Laws of runs that are stopped and gone on with."""

from __future__ import annotations

from pathlib import Path

import pytest

from attribution.data.images import read_image
from attribution.errors import MismatchError
from attribution.query import Query
from evaluation.protocols.locality import BOXES, LEFT
from evaluation.run_folder import RunFolder
from tests.worlds.scenes import attribution_of, locality_run


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


def test_an_interrupted_run_asks_only_what_is_missing(tmp_path: Path, asked_queries: list[Query]) -> None:
    steps = locality_run(tmp_path).steps()
    while not next(steps).seconds:
        pass  # one query is answered, then the run is dropped
    steps.close()
    assert [query.box for query in asked_queries] == [LEFT]
    list(locality_run(tmp_path).steps())
    assert [query.box for query in asked_queries] == [*BOXES.values()] * 6
    assert len({query.caption for query in asked_queries}) == 6


def test_a_further_method_is_asked_the_same_queries_and_the_others_are_not_asked_again(
    tmp_path: Path, asked_queries: list[Query]
) -> None:
    list(locality_run(tmp_path, methods=["blind"]).steps())
    later = locality_run(tmp_path)
    list(later.steps())
    assert [query.box for query in asked_queries] == [*BOXES.values()] * 6 * 2
    both = locality_run(tmp_path / "at once")
    list(both.steps())
    assert later.report().figures["methods"] == both.report().figures["methods"]
    list(locality_run(tmp_path).steps())
    assert len(asked_queries) == 3 * 6 * 3


def test_a_picture_is_asked_about_as_its_file_holds_it(tmp_path: Path, asked_queries: list[Query]) -> None:
    list(locality_run(tmp_path).steps())
    for number, query in enumerate(asked_queries[::3]):
        kept, made = read_image(tmp_path / f"prompt-{number:02d}.png")
        assert query.image.tobytes() == kept.tobytes()
        assert (made["seed"], made["prompt"]) == (number, query.caption)
