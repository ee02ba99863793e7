"""A page that is built but never served: its handlers are called as Gradio would call them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from app.events.context import PageContext
from app.page import build_panels
from app.runs.archive import RunArchive
from app.runs.run import Picture
from app.runtime.model_loader import ModelLoader
from app.runtime.sessions import Session, Uploads
from attribution.workspace.workspace import Workspace

CAPTION = "a cat on a table"


@pytest.fixture(scope="session")
def page(tiny_world: Workspace, tmp_path_factory: pytest.TempPathFactory) -> PageContext:
    archive = RunArchive(tmp_path_factory.mktemp("runs"), tiny_world)

    async def built() -> PageContext:
        with gr.Blocks(analytics_enabled=False):
            return build_panels(tiny_world, archive, Uploads(), ModelLoader(tiny_world))

    return asyncio.run(built())  # where no event loop runs, Gradio makes some and leaves them open


@pytest.fixture
def request_of(request: pytest.FixtureRequest) -> Any:
    """What Gradio hands to the handlers of one open page; each test has a page of its own."""
    return SimpleNamespace(session_hash=request.node.name, client=None)


@pytest.fixture
def session(page: PageContext, request_of: Any, tiny_world: Workspace) -> Session:
    """The same page's session, with a picture on it."""
    session = page.session(request_of)
    image = tiny_world.prepared(tiny_world.training_set.image(3))
    session.show(Picture(image, CAPTION, {"prompt": CAPTION, "seed": 5, "steps": 2, "guidance": 2.0}))
    return session
