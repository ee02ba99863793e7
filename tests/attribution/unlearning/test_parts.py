"""Laws of measuring in parts: whoever measures them, in whatever order, the answer is the same."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from attribution.__main__ import main
from attribution.engine import attribute
from attribution.errors import Cancelled
from attribution.results import Attribution, Progress, Ranking
from attribution.serialization import to_json
from attribution.unlearning import parts
from attribution.workspace.executors.base import Made, Maker, Task
from attribution.workspace.executors.local import Local
from attribution.workspace.workspace import Workspace
from tests.worlds import TINY
from tests.worlds.executors import SEVERAL
from tests.worlds.queries import query_of
from tests.worlds.settings import quick

MEASURING = ("abu", "abu-plus", "divergence", "relative-divergence", "mucs", "influence")
QUICK = quick({"draws": 16, "calibration_draws": 8, "held_out": 8, "steps": 3}, effort="exhaustive")
SIZE = 20  # of a part, so that the tiny world has five


class Backwards(Local):
    """Makes the last part first, and says now and then that nothing has come."""

    made = 0

    def chunks(
        self, workspace: Workspace, maker: Maker, batch_size: int, tasks: Sequence[Task]
    ) -> Generator[Made, None, None]:
        for each in super().chunks(workspace, maker, batch_size, tasks[::-1]):
            self.made += 1
            yield each
            yield None


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The tiny world, opened for a test alone, in parts of a few images."""
    monkeypatch.setattr(parts, "PART", SIZE)
    return Workspace.open(TINY / "workspace")


def events(workspace: Workspace, method: str) -> list[Any]:
    return list(attribute(workspace, query_of(workspace), [method], QUICK))


def told(event: Ranking) -> dict[str, Any]:
    """Everything of a ranking but its seconds."""
    answer = to_json(Attribution({}, {}, {}, {event.method: event}, ()), None)["methods"][event.method]
    return {name: value for name, value in answer.items() if name != "seconds"}


@pytest.mark.parametrize("method", MEASURING)
def test_parts_that_come_in_any_order_are_the_answer_of_one_process(
    workspace: Workspace, method: str
) -> None:
    """Law: An exhaustive answer is the same to the last bit, in each of its states, whoever measures it."""
    here = [told(event) for event in events(workspace, method) if isinstance(event, Ranking)]
    workspace.executor = executor = Backwards()
    there = [told(event) for event in events(workspace, method) if isinstance(event, Ranking)]
    assert executor.made == -(-len(workspace.training_set) // SIZE) > 2
    assert there == here


def test_progress_counts_the_parts_as_they_come_and_ends_whole(workspace: Workspace) -> None:
    workspace.executor = Backwards()
    stage = f"measuring {len(workspace.training_set)} training images"
    seen = [each for each in events(workspace, "abu") if isinstance(each, Progress) and each.stage == stage]
    shares = [each.done / each.total for each in seen]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert len(set(shares)) > 3


class Silent(Local):
    """Nothing ever comes."""

    ended = False

    def chunks(
        self, workspace: Workspace, maker: Maker, batch_size: int, tasks: Sequence[Task]
    ) -> Generator[Made, None, None]:
        try:
            while True:
                yield None
        finally:
            self.ended = True


def test_a_question_can_be_stopped_while_nothing_comes(workspace: Workspace) -> None:
    """Law: A question whose parts are measured elsewhere is stopped though none has come."""
    workspace.executor, stop = Silent(), threading.Event()
    asked = attribute(workspace, query_of(workspace), ["abu"], QUICK, stop)
    assert any(isinstance(event, Progress) and event.stage.startswith("measuring") for event in asked)
    assert isinstance(next(asked), Progress)  # it has gone on, and nothing has come
    stop.set()
    with pytest.raises(Cancelled):
        next(asked)
    assert workspace.executor.ended


def test_a_race_cannot_be_shared_out(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    image = str(workspace.training_set.folder / workspace.training_set.examples[5].file_name)
    asked = [image, "--caption", "a cat", "--workspace", str(workspace.folder)]
    assert main([*asked, "--executor", "processes"]) == 2
    assert "it goes with --effort exhaustive, or with --candidates" in capsys.readouterr().err
    assert main([*asked, "--executor", "nobody"]) == 2
    assert "there is no executor 'nobody': choose from local, processes, ray" in capsys.readouterr().err


class ThreeAtOnce(Backwards):
    """As quick as three."""

    def side_by_side(self) -> int:
        return 3


def test_how_long_an_exhaustive_answer_takes_is_reckoned_with_its_workers(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: How long an exhaustive answer takes is reckoned with its workers, later at their own rate."""
    assert parts.rate_of_all(workspace, 50.0) == 50
    workspace.executor = ThreeAtOnce()
    assert parts.rate_of_all(workspace, 50.0) == 150
    began = time.perf_counter()
    stage = f"measuring {len(workspace.training_set)} training images"
    seen = [each for each in events(workspace, "abu") if isinstance(each, Progress) and each.stage == stage]
    draws = seen[-1].total
    assert parts.rate_of_all(workspace, 50.0) > draws / (time.perf_counter() - began)  # the answer is more
    assert parts.rate_of_all(workspace, 1e9) == parts.rate_of_all(workspace, 50.0)
    monkeypatch.setattr(parts, "PART", len(workspace.training_set))
    assert parts.rate_of_all(workspace, 50.0) == 50  # one part is measured here


@pytest.mark.slow
@pytest.mark.parametrize("executor", SEVERAL)
def test_workers_measure_what_this_process_would(
    workspace: Workspace, tmp_path: Path, executor: str
) -> None:
    """Law: Whoever computes an answer (`--executor`) changes no number of it."""
    example = workspace.training_set.examples[5]
    asked = [str(workspace.training_set.folder / example.file_name), "--caption", example.caption]
    asked += [
        "--workspace",
        str(workspace.folder),
        "--effort",
        "exhaustive",
        "--method",
        "abu",
        "divergence",
    ]
    asked += ["--option", "abu.draws=16", "divergence.draws=16", "--json"]
    found = []
    for name, more in (("here", []), ("there", ["--executor", executor, "--workers", "2"])):
        path = tmp_path / f"{name}.json"
        assert main([*asked, str(path), *more]) == 0
        answer = json.loads(path.read_text())
        for ranking in answer["methods"].values():
            del ranking["seconds"]
        found.append(answer)
    assert found[0] == found[1]
