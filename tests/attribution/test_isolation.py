"""Laws of isolation: queries at once, stopped or failing leave nothing behind."""

from __future__ import annotations

import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from attribution.engine import attribute
from attribution.errors import Cancelled, NonFiniteError
from attribution.models.layer_calls import projected
from attribution.models.stable_diffusion import PipelineModel
from attribution.query import Settings
from attribution.results import Attribution
from attribution.unlearning import measuring
from attribution.workspace.workspace import Workspace
from tests.worlds.queries import query_of
from tests.worlds.settings import quick
from tests.worlds.weights import checksum

ENDS, SHARES = ("answered", "stopped", "abandoned", "fails"), (0.4, 0.3, 0.2, 0.1)
TOO_FAR = quick({"draws": 8, "calibration_draws": 4, "alpha": 1e38}, candidates=6, batch_size=32)
QUICK = quick({"draws": 8, "calibration_draws": 4}, candidates=6, batch_size=32)


def answer(workspace: Workspace, row: int, settings: Settings = QUICK) -> dict[str, float]:
    *_, result = attribute(workspace, query_of(workspace, row), ["abu", "random"], settings)
    assert isinstance(result, Attribution)
    return scores_of(result)


def fail(workspace: Workspace, row: int) -> None:
    list(attribute(workspace, query_of(workspace, row), ["abu"], TOO_FAR))


def scores_of(result: Attribution) -> dict[str, float]:
    return {entry.id: entry.score for entry in result.rankings["abu"].entries}


def test_weights_are_unchanged_by_a_query(tiny_world: Workspace) -> None:
    """Law: The loaded weights are unchanged by a query."""
    before = checksum(tiny_world)
    answer(tiny_world, 3)
    assert checksum(tiny_world) == before


@pytest.mark.parametrize("steps", [0, 1, 3, 6, 9, 12])
def test_a_query_stopped_after_any_step_leaves_nothing_behind(tiny_world: Workspace, steps: int) -> None:
    """Law: A query that is stopped after any step leaves nothing behind."""
    before, expected = checksum(tiny_world), answer(tiny_world, 7)
    stop = threading.Event()
    events = attribute(tiny_world, query_of(tiny_world, 3), ["abu"], QUICK, stop)
    for _, event in zip(range(steps), events, strict=False):
        assert not isinstance(event, Attribution)
    stop.set()
    with pytest.raises(Cancelled):
        list(events)
    assert checksum(tiny_world) == before
    assert answer(tiny_world, 7) == expected


def test_a_query_abandoned_without_a_word_leaves_nothing_behind(tiny_world: Workspace) -> None:
    before, expected = checksum(tiny_world), answer(tiny_world, 7)
    events = attribute(tiny_world, query_of(tiny_world, 3), ["abu"], QUICK)
    next(events)
    next(events)
    del events  # as when the browser is closed
    assert checksum(tiny_world) == before
    assert answer(tiny_world, 7) == expected


def test_a_failing_query_leaves_nothing_behind(tiny_world: Workspace) -> None:
    """Law: A query that fails leaves nothing behind."""
    before, expected = checksum(tiny_world), answer(tiny_world, 7)
    with pytest.raises(NonFiniteError):
        fail(tiny_world, 3)
    assert checksum(tiny_world) == before
    assert answer(tiny_world, 7) == expected


@pytest.mark.slow
def test_queries_at_once_give_what_each_gives_alone(tiny_world: Workspace) -> None:
    """Law: Queries at once give what each gives alone.

    Real threads on one model; some are stopped and one fails in the midst of the others.
    """
    before = checksum(tiny_world)
    alone = {row: answer(tiny_world, row) for row in (1, 4, 9)}

    def stopped(row: int) -> None:
        stop = threading.Event()
        for count, _ in enumerate(attribute(tiny_world, query_of(tiny_world, row), ["abu"], QUICK, stop)):
            if count == row % 5:
                stop.set()

    rng = np.random.default_rng(0)
    with ThreadPoolExecutor(4) as pool:
        good, bad = [], []
        for _ in range(12):
            row = int(rng.choice(list(alone)))
            good.append((row, pool.submit(answer, tiny_world, row)))
            bad.append((Cancelled, pool.submit(stopped, int(rng.integers(20)))))
        bad.append((NonFiniteError, pool.submit(fail, tiny_world, 2)))
        for row, future in good:
            assert future.result() == alone[row]
        for error, future in bad:
            with pytest.raises(error):
                future.result()
    assert checksum(tiny_world) == before


def resident() -> int:
    """Bytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


LEAST = quick({"draws": 2, "calibration_draws": 2, "alpha": 1.0}, candidates=1, batch_size=32)


SWITCHES = 400


class QueryUnderWay:
    """A query that is taken on step by step, and how it is to end."""

    def __init__(self, workspace: Workspace, alone: dict[int, dict[str, float]], rng: np.random.Generator):
        row, self.end = int(rng.choice(list(alone))), str(rng.choice(ENDS, p=SHARES))
        self.steps_left, self.stop, self.expected = int(rng.integers(12)), threading.Event(), alone[row]
        settings, names = (TOO_FAR, ["abu"]) if self.end == "fails" else (LEAST, ["abu", "random"])
        self.events = attribute(workspace, query_of(workspace, row), names, settings, self.stop)

    def step(self) -> bool:
        """Take it one step on; whether it is over."""
        if self.steps_left == 0 and self.end == "abandoned":
            self.events.close()  # type: ignore[attr-defined]
            return True
        if self.steps_left == 0 and self.end == "stopped":
            self.stop.set()
        self.steps_left -= 1
        try:
            event = next(self.events)
        except Cancelled:
            assert self.end == "stopped"
            return True
        except NonFiniteError:
            assert self.end == "fails"
            return True
        if isinstance(event, Attribution):
            assert self.end != "fails"
            assert scores_of(event) == self.expected
            return True
        return False


@pytest.mark.slow
def test_interleaved_queries_give_what_each_gives_alone(
    tiny_world: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: Queries interleaved hundreds of times give what each gives alone.

    Four under way at any time, a random one goes on: so many switches from one to another.

    Some are stopped at random points, some abandoned, some fail.
    """
    monkeypatch.setattr(measuring, "CONTROLS", 2)  # many short queries, not few long ones
    before = checksum(tiny_world)
    alone = {row: answer(tiny_world, row, LEAST) for row in range(6)}
    rng = np.random.default_rng(0)
    under_way = [QueryUnderWay(tiny_world, alone, rng) for _ in range(4)]
    ended, memory_at_first = Counter[str](), 0
    switches, last = 0, -1
    while switches < SWITCHES:
        place = int(rng.integers(len(under_way)))
        switches, last = switches + (place != last), place
        if under_way[place].step():
            ended[under_way[place].end] += 1
            under_way[place], last = QueryUnderWay(tiny_world, alone, rng), -1
        if switches == SWITCHES // 4:
            memory_at_first = resident()
    assert min(ended.values()) > 3
    assert len(ended) == len(ENDS)
    assert checksum(tiny_world) == before
    assert resident() - memory_at_first < 64 * 2**20


def test_two_skeletons_share_their_tensors_but_not_their_modules(tiny_world: Workspace) -> None:
    model = tiny_world.model
    assert isinstance(model, PipelineModel)
    captions = model.encode_captions(["a dog on the beach"])
    calls = model._calls(model.weights, captions)
    with model._skeletons.using(calls) as one, model._skeletons.using(calls) as two:
        assert one is not two
        loaded = dict(model.unet.named_parameters())
        assert {*dict(one.named_parameters())} == {*loaded} - {*model.weights}
        for name, parameter in one.named_parameters():
            assert parameter is dict(two.named_parameters())[name] is loaded[name]


def test_keys_and_values_are_those_of_each_draws_own_caption(tiny_world: Workspace) -> None:
    model = tiny_world.model
    assert isinstance(model, PipelineModel)
    words = ["a dog", "a dog", "a cat on the beach", "a dog", "a dog"]
    captions = model.encode_captions(words)
    outputs = projected(model.weights, dict.fromkeys(model.weights), captions.tokens)
    for name, weight in model.weights.items():
        torch.testing.assert_close(outputs[name], captions.tokens @ weight.T)
    alone = projected(model.weights, dict.fromkeys(model.weights), captions.tokens[:1])
    assert all(len(value) == 1 for value in alone.values())
