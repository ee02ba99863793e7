"""Laws of answers as JSON."""

from __future__ import annotations

import copy
import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from attribution.engine import attribute
from attribution.errors import ResultError, TrainingSetError, WhenceError
from attribution.query import Box, Query, Settings
from attribution.results import Attribution
from attribution.serialization import FORMULA, from_json, to_csv, to_json
from attribution.workspace.workspace import Workspace
from tests.worlds import ROOT
from tests.worlds.rankings import with_caption


@pytest.fixture(scope="module")
def answer(tiny_world: Workspace) -> Attribution:
    image = tiny_world.training_set.image(3)
    query = Query(image, "a dog on the beach", Box(0.1, 0.2, 0.7, 0.9))
    methods = ["first-order", "clip", "random"]
    *_, found = attribute(tiny_world, query, methods, Settings(effort="instant", candidates=5))
    assert isinstance(found, Attribution)
    return found


def as_text(answer: Attribution) -> str:
    return json.dumps(to_json(answer), allow_nan=False)


def test_an_answer_comes_back_from_json_as_it_was(answer: Attribution, tiny_world: Workspace) -> None:
    """Law: An answer comes back from JSON as it was."""
    back = from_json(json.loads(as_text(answer)), tiny_world.training_set)
    assert as_text(back) == as_text(answer)
    assert back.rankings["first-order"].entries == answer.rankings["first-order"].entries
    assert to_csv(back) == to_csv(answer)


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t=", "\r=", "\n="])
def test_no_cell_of_a_table_is_a_formula(answer: Attribution, begins: str) -> None:
    """Law: No caption, id or file name is a formula in a table that a spreadsheet opens."""
    words = f"{begins}HYPERLINK(1)"
    ranking = with_caption(answer.rankings["clip"], words)
    hostile = replace(
        answer, query={"caption": f"a dog,{words},; {words}"}, rankings={"clip": ranking}, settings={}
    )
    cells = [cell.strip() for line in csv.reader(io.StringIO(to_csv(hostile))) for cell in line]
    assert sum("HYPERLINK" in cell for cell in cells) >= len(ranking.entries) + 2
    assert [cell for cell in cells if "HYPERLINK" in cell and cell[:1] in FORMULA] == []
    assert all(line.startswith("# ") for line in to_csv(hostile).splitlines()[:2])


def without(*path: Any) -> Callable[[Any], None]:
    def change(data: Any) -> None:
        for key in path[:-1]:
            data = data[key]
        del data[path[-1]]

    return change


def with_value(value: object, *path: Any) -> Callable[[Any], None]:
    def change(data: Any) -> None:
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return change


LINE = ("methods", "clip", "ranking", 0)


@pytest.mark.parametrize(
    "change",
    [
        *(without(key) for key in ("query", "settings", "fingerprints", "warnings", "methods")),
        *(without("methods", "clip", key) for key in ("title", "candidates", "seconds", "ranking")),
        *(without(*LINE, key) for key in ("rank", "id", "file_name", "caption", "score")),
        with_value([], "methods"),
        with_value({}, "methods", "clip", "ranking"),
        with_value("x", "methods", "clip", "details"),
        with_value({"model": 3}, "fingerprints"),
        with_value([3], "warnings"),
        with_value(7, *LINE, "rank"),
        with_value(True, *LINE, "score"),
        with_value(float("nan"), *LINE, "score"),
        with_value(10**400, *LINE, "score"),
        with_value("0.3", *LINE, "stderr"),
        with_value(None, *LINE, "caption"),
    ],
)
def test_what_is_not_our_answer_is_refused_by_name(
    answer: Attribution, tiny_world: Workspace, change: Callable[[Any], None]
) -> None:
    """Law: JSON that is no answer of ours is refused, and what is wrong with it is named."""
    data = copy.deepcopy(json.loads(as_text(answer)))
    change(data)
    with pytest.raises(ResultError) as refused:
        from_json(data, tiny_world.training_set)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("data", [None, 3, "text", [], {}, {"methods": {}}])
def test_any_other_json_is_refused(data: object, tiny_world: Workspace) -> None:
    with pytest.raises(WhenceError):
        from_json(data, tiny_world.training_set)


@pytest.mark.parametrize("name", ["nobody", "", ["scene"], None, "images/00003.png"])
def test_an_image_that_the_training_set_does_not_have_is_refused(
    answer: Attribution, tiny_world: Workspace, name: object
) -> None:
    data = json.loads(as_text(answer))
    data["methods"]["clip"]["ranking"][0]["id"] = name
    with pytest.raises(TrainingSetError, match="training set"):
        from_json(data, tiny_world.training_set)


def test_a_file_name_is_no_id(answer: Attribution, tiny_world: Workspace) -> None:
    data = json.loads(as_text(answer))
    line = data["methods"]["clip"]["ranking"][0]
    line["id"] = line["file_name"]
    with pytest.raises(TrainingSetError):
        from_json(data, tiny_world.training_set)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("settings"), "it has no 'settings'"),
        (without(*LINE, "score"), "line 1 of the answer of 'clip' has no 'score'"),
        (with_value("0.3", *LINE, "score"), "the score of line 1 of the answer of 'clip' is '0.3'"),
        (with_value(7, *LINE, "rank"), "line 1 of the answer of 'clip' has rank 7"),
        (with_value([], "methods"), "its methods is not an object"),
        (with_value(0.5, *LINE, "z"), "'clip' has a z on some of its lines and not on others"),
    ],
)
def test_the_part_that_is_wrong_is_named(
    answer: Attribution, tiny_world: Workspace, change: Callable[[Any], None], words: str
) -> None:
    data = json.loads(as_text(answer))
    change(data)
    with pytest.raises(ResultError, match=f"not an answer that Whence wrote: .*{words}"):
        from_json(data, tiny_world.training_set)


def test_an_image_is_ranked_once(answer: Attribution, tiny_world: Workspace) -> None:
    data = json.loads(as_text(answer))
    lines = data["methods"]["clip"]["ranking"]
    lines[1]["id"] = lines[0]["id"]
    with pytest.raises(ResultError, match=r"line 2 of the answer of 'clip' ranks .* again"):
        from_json(data, tiny_world.training_set)


def test_results_are_plain_values_that_need_no_torch_and_no_pydantic() -> None:
    look = "import attribution.results, sys; print(sorted({'torch', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"
