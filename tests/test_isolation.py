"""Laws of isolation: queries at once, stopped or failing leave nothing behind."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from attribution.engine import attribute
from attribution.errors import Cancelled, NonFiniteError
from attribution.models.diffusers_pipeline import PipelineModel
from attribution.query import Query, Settings
from attribution.results import Attribution, Progress
from attribution.workspace import Workspace

QUICK = Settings(unlearning_draws=8, calibration_draws=4, candidates=6, batch_size=32)


def checksum(workspace: Workspace) -> str:
    """Over every tensor of the loaded pipeline."""
    model = workspace.model
    assert isinstance(model, PipelineModel)
    digest = hashlib.sha256()
    for module in (model.unet, model.vae, model.text_encoder):
        for name, value in sorted(module.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def query_of(workspace: Workspace, row: int) -> Query:
    return Query(workspace.training_set.image(row), workspace.training_set.captions[row])


def answer(workspace: Workspace, row: int, settings: Settings = QUICK) -> dict[str, float]:
    *_, result = attribute(workspace, query_of(workspace, row), ["abu", "random"], settings)
    assert isinstance(result, Attribution)
    return {entry.id: entry.score for entry in result.rankings["abu"].entries}


def test_weights_are_unchanged_by_a_query(tiny_world: Workspace) -> None:
    before = checksum(tiny_world)
    answer(tiny_world, 3)
    assert checksum(tiny_world) == before


@pytest.mark.parametrize("steps", [0, 1, 3, 6, 9, 12])
def test_a_query_stopped_after_any_step_leaves_nothing_behind(tiny_world: Workspace, steps: int) -> None:
    before, expected = checksum(tiny_world), answer(tiny_world, 7)
    stop = threading.Event()
    events = attribute(tiny_world, query_of(tiny_world, 3), ["abu"], QUICK, stop)
    for _, event in zip(range(steps), events, strict=False):
        assert isinstance(event, Progress)
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
    before, expected = checksum(tiny_world), answer(tiny_world, 7)
    with pytest.raises(NonFiniteError):
        answer(tiny_world, 3, dataclasses.replace(QUICK, alpha=1e38))
    assert checksum(tiny_world) == before
    assert answer(tiny_world, 7) == expected


def test_queries_at_once_give_what_each_gives_alone(tiny_world: Workspace) -> None:
    """Real threads on one model; some are stopped and one fails in the midst of the others."""
    before = checksum(tiny_world)
    alone = {row: answer(tiny_world, row) for row in (1, 4, 9)}

    def stopped(row: int) -> None:
        stop = threading.Event()
        for count, _ in enumerate(attribute(tiny_world, query_of(tiny_world, row), ["abu"], QUICK, stop)):
            if count == row % 5:
                stop.set()

    def failing(row: int) -> None:
        answer(tiny_world, row, dataclasses.replace(QUICK, alpha=1e38))

    rng = np.random.default_rng(0)
    with ThreadPoolExecutor(4) as pool:
        good, bad = [], []
        for _ in range(12):
            row = int(rng.choice(list(alone)))
            good.append((row, pool.submit(answer, tiny_world, row)))
            bad.append((Cancelled, pool.submit(stopped, int(rng.integers(20)))))
        bad.append((NonFiniteError, pool.submit(failing, 2)))
        for row, future in good:
            assert future.result() == alone[row]
        for error, future in bad:
            with pytest.raises(error):
                future.result()
    assert checksum(tiny_world) == before


def test_two_skeletons_share_their_tensors_but_not_their_modules(tiny_world: Workspace) -> None:
    model = tiny_world.model
    assert isinstance(model, PipelineModel)
    with model._skeleton() as one, model._skeleton() as two:
        assert one is not two
        shared = zip(one.parameters(), two.parameters(), model.unet.parameters(), strict=True)
        assert all(a is b is c for a, b, c in shared)
