"""Laws of the page over very many rows: it shows what it would of few, and makes no object for the rest."""

from __future__ import annotations

import asyncio
from typing import Any

import gradio as gr
import pytest

from app.events.context import PageContext
from app.events.library import LibraryEvents
from app.page import build_panels
from app.runs.archive import RunArchive
from app.runs.library import PAGE
from app.runtime.model_loader import ModelLoader
from app.runtime.sessions import Uploads
from attribution.analysis.groups import columns_of
from attribution.data import table_set
from attribution.data.training_set import Example
from attribution.workspace.workspace import Workspace
from tests.worlds.gradio_event import event
from tests.worlds.many_rows import RARE, SHELVES, in_workspace, many_rows
from tests.worlds.markup import Reader

ROWS = 200_000
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def many(tiny_world: Workspace, tmp_path_factory: pytest.TempPathFactory) -> PageContext:
    """The page over so many rows, as it is opened."""
    folder = tmp_path_factory.mktemp("many")
    workspace = in_workspace(many_rows(folder, ROWS), folder, tiny_world)

    async def built() -> PageContext:
        with gr.Blocks(analytics_enabled=False):
            archive = RunArchive(folder / "runs", workspace)
            return build_panels(workspace, archive, Uploads(), ModelLoader(workspace))

    return asyncio.run(built())


def look(page: PageContext, request_of: Any, /, **question: Any) -> dict[str, Any]:
    found = LibraryEvents(page).look(event(question=question, at=3.0), request_of)
    assert found["does"] == "shelf", found
    return found


def shown(found: dict[str, Any]) -> list[int]:
    """The rows that are shown."""
    texts = [text for text in Reader(found["html"]).texts if text.startswith("train-")][::2]
    return [int(text.removeprefix("train-")) for text in texts]


def test_a_page_of_many_rows_opens_on_pictures_from_all_of_them(many: PageContext) -> None:
    assert len(many.mosaic) > 1
    assert many.mosaic[-1] > ROWS * 0.9
    assert columns_of(many.workspace.training_set) == ("shelf",)


def test_many_rows_are_paged_through_to_the_last(many: PageContext, request_of: Any) -> None:
    first, pages = look(many, request_of), -(-ROWS // PAGE)
    assert shown(first) == list(range(PAGE))
    assert f"{ROWS:,}" in first["html"]
    assert shown(look(many, request_of, page=pages)) == list(range((pages - 1) * PAGE, ROWS))
    assert shown(look(many, request_of, page=pages + 1)) == []


def test_many_rows_are_searched_by_words_and_columns(many: PageContext, request_of: Any) -> None:
    rare = list(range(7, ROWS, RARE))
    assert shown(look(many, request_of, text="number 7")) == rare
    red = look(many, request_of, text="red", filters=[["shelf", "C"]])
    assert shown(red) == list(range(2, 8 * PAGE, 8))
    assert f"{ROWS // 8:,} of {ROWS:,}" in red["html"]
    on_shelves = look(many, request_of)["columns"]
    assert on_shelves.count(f"<small>{ROWS // 8:,}</small>") == len(SHELVES)


def test_many_rows_come_in_the_order_of_their_likeness(many: PageContext, request_of: Any) -> None:
    found = look(many, request_of, like="train-123456", space="pixel")
    rows = shown(found)
    assert rows[0] == 123_456
    assert len(set(rows)) == PAGE
    among = shown(look(many, request_of, like="train-123456", space="pixel", filters=[["shelf", "A"]]))
    assert among[0] == 123_456
    assert all(row % 8 == 0 for row in among)


def test_a_look_makes_an_object_for_what_it_shows_alone(
    many: PageContext, request_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: One look into the library makes an example for each picture that it shows, and for no other."""
    look(many, request_of)
    made = []

    def counted(*columns: Any) -> Example:
        made.append(columns[0])
        return Example(*columns)

    monkeypatch.setattr(table_set, "Example", counted)
    for question in ({"page": 3}, {"text": "blue"}, {"like": "train-000077", "space": "pixel"}):
        made.clear()
        assert sorted(made_rows := shown(look(many, request_of, **question))) == sorted(made)
        assert len(made_rows) == PAGE
