"""Laws of tracing unasked, without a browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.events.context import PageContext
from app.events.trace import TraceEvents, traced_parts
from app.runs.run import Picture
from app.runs.trace import FIRST, tracing_method
from app.runtime.sessions import Session
from attribution.engine import attribute
from attribution.methods.base import methods
from attribution.query import Box, Query, Settings
from attribution.results import Attribution, Progress
from attribution.workspace.workspace import Workspace
from tests.worlds import TINY

METHOD = "d-trak"


@pytest.fixture
def trace(page: PageContext) -> TraceEvents:
    return TraceEvents(page)


def told(updates: AsyncIterator[Any], page: PageContext) -> list[Any]:
    """What the panel is told."""

    async def all_of() -> list[Any]:
        return [update[page.stage.traced] async for update in updates]

    return asyncio.run(all_of())


def query_of(world: Workspace, row: int = 21) -> Query:
    return Query(world.prepared(world.training_set.image(row)), world.training_set.examples[row].caption)


def test_a_picture_is_traced_once_and_each_answer_is_what_instant_gives(tiny_world: Workspace) -> None:
    """Law: What is traced unasked of a part is what D-TRAK answers at Instant to whoever asks about it."""
    query = query_of(tiny_world)
    *_, traced = (e for e in traced_parts(tiny_world, query, METHOD) if not isinstance(e, Progress))
    assert traced
    for each in traced:
        boxed = replace(query, box=each.part.box)
        *_, answer = attribute(tiny_world, boxed, (METHOD,), Settings(effort="instant"))
        assert isinstance(answer, Attribution)
        ranking = answer.rankings[METHOD]
        assert each.first == tuple(ranking.entries[:FIRST])
        assert each.standing_out == int(ranking.standing_out.sum())  # type: ignore[union-attr]
        assert all(ranking.rank_of(name) == rank for name, rank in each.ranks.items())
    assert list(traced_parts(tiny_world, query, METHOD)) == [traced]  # remembered


def test_tracing_changes_no_answer() -> None:
    """Law: An answer is the same to the last bit, whether its picture was traced unasked before or not."""
    traced, untouched = (Workspace.open(TINY / "workspace") for _ in range(2))
    query = query_of(traced)
    *_, parts = traced_parts(traced, query, METHOD)
    boxes: list[Box | None] = [None, *(each.part.box for each in parts)]  # type: ignore[union-attr]
    for box in boxes:
        answers = []
        for world in (traced, untouched):
            asked = (METHOD, "first-order", "abu")
            *_, answer = attribute(world, replace(query, box=box), asked, Settings(budget=200))
            assert isinstance(answer, Attribution)
            answers.append(answer.rankings)
        for name, ranking in answers[0].items():
            np.testing.assert_array_equal(ranking.scores, answers[1][name].scores)
            np.testing.assert_array_equal(ranking.rows, answers[1][name].rows)


def test_the_parts_come_one_after_another(
    trace: TraceEvents, page: PageContext, session: Session, request_of: Any
) -> None:
    found = told(trace.trace(None, request_of), page)
    assert "traced-part" in found[-1]
    assert "Looking up" not in found[-1]
    assert told(trace.trace(None, request_of), page) != found  # once is enough


def test_an_upload_is_traced_once_its_caption_is_written(
    trace: TraceEvents, page: PageContext, session: Session, request_of: Any, tiny_world: Workspace
) -> None:
    """Law: A picture without a caption is not traced; one whose caption is written anew is, anew."""
    query = query_of(tiny_world, 43)
    session.show(Picture(query.image, "", {}, (64, 64)))
    assert len(told(trace.trace("  ", request_of), page)) == 1
    assert session.traced is None
    assert "traced-part" in told(trace.trace(query.caption, request_of), page)[-1]
    assert session.traced == query.caption


def test_what_left_the_page_is_traced_no_further(
    trace: TraceEvents, page: PageContext, session: Session, request_of: Any, tiny_world: Workspace
) -> None:
    query = query_of(tiny_world, 6)
    session.show(Picture(query.image, query.caption))

    async def left() -> list[Any]:
        found = []
        async for update in trace.trace(None, request_of):
            found.append(update)
            session.show(Picture(query.image, "a dog"))
        return found

    assert len(asyncio.run(left())) == 1
    page.sessions.close(request_of.session_hash)
    assert session.picture is None


def test_a_world_without_such_a_method_is_not_traced() -> None:
    assert tracing_method([methods()["clip"], methods()["abu"]]) is None
    assert tracing_method([methods()["first-order"], methods()["abu"]]) == "first-order"
    assert tracing_method([methods()["d-trak"], methods()["first-order"]]) == "d-trak"
