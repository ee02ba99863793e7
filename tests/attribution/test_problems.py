"""Laws of a method that fails beside others."""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading

import pytest

from attribution.engine import attribute
from attribution.errors import (
    ArtifactError,
    CalibrationError,
    Cancelled,
    CorruptArtifactError,
    MissingArtifactError,
    NonFiniteError,
    WhenceError,
)
from attribution.query import Query, Settings
from attribution.results import Attribution, Ranking
from attribution.serialization import from_json, to_csv, to_json
from attribution.workspace.workspace import Workspace
from tests.conftest import Foreign
from tests.worlds.queries import query_of
from tests.worlds.settings import quick

TOO_FAR = quick({"draws": 8, "calibration_draws": 4, "alpha": 1e38}, candidates=6, batch_size=32)
INSTANT = Settings(effort="instant")


def answer(
    workspace: Workspace, names: list[str], settings: Settings, query: Query | None = None
) -> Attribution:
    *_, found = attribute(workspace, query or query_of(workspace, 3), names, settings)
    assert isinstance(found, Attribution)
    return found


def damaged(foreign_copy: Foreign, name: str) -> Workspace:
    """A workspace with one artifact that its manifest does not promise."""
    index = next((foreign_copy.workspace / name).glob("*.faiss"))
    index.write_bytes(index.read_bytes()[:-1])
    return Workspace.open(foreign_copy.workspace)


def test_a_method_that_fails_leaves_the_others_answers(tiny_world: Workspace) -> None:
    """Law: A method that fails says why in the answer, and the other methods' rankings stand."""
    found = answer(tiny_world, ["abu", "pixel", "random"], TOO_FAR)
    assert list(found.rankings) == ["pixel", "random"]
    assert list(found.problems) == ["abu"]
    assert "not finite" in found.problems["abu"]
    alone = answer(tiny_world, ["pixel", "random"], TOO_FAR)
    assert found.rankings["pixel"].entries == alone.rankings["pixel"].entries
    with pytest.raises(WhenceError, match=r"abu has no answer: .*not finite"):
        found.check_whole()


def test_a_damaged_artifact_troubles_only_who_needs_it(foreign_copy: Foreign) -> None:
    workspace = damaged(foreign_copy, "embeddings-clip")
    found = answer(workspace, ["clip", "dino", "random"], INSTANT)
    assert list(found.rankings) == ["dino", "random"]
    assert "python -m precompute embeddings" in found.problems["clip"]
    with pytest.raises(CorruptArtifactError, match="embeddings-clip"):
        answer(workspace, ["clip"], INSTANT)


def test_what_is_missing_or_cannot_be_asked_is_one_methods_problem(foreign_copy: Foreign) -> None:
    shutil.rmtree(foreign_copy.workspace / "embeddings-dino")
    workspace = Workspace.open(foreign_copy.workspace)
    found = answer(workspace, ["journey-trak", "dino", "pixel"], INSTANT)
    assert list(found.problems) == ["journey-trak", "dino"]
    assert list(found.rankings) == ["pixel"]


def test_baseline_losses_that_are_damaged_do_not_stop_what_is_looked_up(foreign_copy: Foreign) -> None:
    path = foreign_copy.workspace / "losses" / "losses.npy"
    path.write_bytes(path.read_bytes()[:-1])
    workspace = Workspace.open(foreign_copy.workspace)
    found = answer(workspace, ["first-order", "pixel"], INSTANT)
    assert "pixel" in found.rankings
    assert any("was not measured" in warning for warning in found.warnings)


def test_only_if_all_methods_fail_the_question_does(foreign_copy: Foreign, tiny_world: Workspace) -> None:
    """Law: A question fails only if every method that is asked does, and then says why each has."""
    with pytest.raises(NonFiniteError):
        answer(tiny_world, ["abu"], TOO_FAR)
    workspace = damaged(foreign_copy, "embeddings-clip")
    shutil.rmtree(foreign_copy.workspace / "embeddings-dino")
    with pytest.raises(ArtifactError, match=r"embeddings-dino.*; .*embeddings-clip") as refused:
        answer(workspace, ["clip", "dino"], INSTANT)
    assert "\n" not in str(refused.value)
    with pytest.raises(MissingArtifactError):
        answer(workspace, ["dino"], INSTANT)


def test_a_ranking_that_was_still_to_get_better_is_not_an_answer(
    tiny_world: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from attribution.methods.random import METHODS

    def preliminary(self: object, context: object, candidates: object) -> object:
        for event in scored(self, context, candidates):  # type: ignore[arg-type]
            yield dataclasses.replace(event, final=False)  # type: ignore[type-var]
        raise CalibrationError("no step raised the loss")

    scored = type(METHODS[0]).score
    monkeypatch.setattr(type(METHODS[0]), "score", preliminary)
    *events, found = attribute(tiny_world, query_of(tiny_world, 3), ["random", "pixel"], INSTANT)
    assert {event.method for event in events if isinstance(event, Ranking)} == {"random", "pixel"}
    assert isinstance(found, Attribution)
    assert (list(found.rankings), found.problems) == (["pixel"], {"random": "no step raised the loss"})


def test_stop_is_no_methods_problem(tiny_world: Workspace) -> None:
    """Law: Stop ends the whole question, whichever method is at work."""
    stop = threading.Event()
    events = attribute(tiny_world, query_of(tiny_world, 3), ["pixel", "random"], INSTANT, stop)
    next(events)
    stop.set()
    with pytest.raises(Cancelled):
        list(events)


def test_problems_are_kept_with_the_answer(tiny_world: Workspace) -> None:
    found = answer(tiny_world, ["abu", "random"], TOO_FAR)
    written = json.loads(json.dumps(to_json(found)))
    assert written["problems"] == dict(found.problems)
    assert from_json(written, tiny_world.training_set).problems == found.problems
    del written["problems"]  # as answers were kept before
    assert from_json(written, tiny_world.training_set).problems == {}
    assert "# abu has no answer: " in to_csv(found)
