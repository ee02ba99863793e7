"""The page: its panels in their places, wired together."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from app.api import connect_api
from app.events.attribute import connect_attributing, connect_stop
from app.events.box import connect_box
from app.events.collection import connect_collection
from app.events.comparison import connect_comparing
from app.events.context import PageContext
from app.events.counterfactual import connect_counterfactual
from app.events.generate import connect_generating
from app.events.history import connect_history
from app.events.library import connect_library, text_space_titles
from app.events.selection import connect_selection
from app.events.trace import connect_trace
from app.events.training_image import connect_training_image
from app.events.upload import connect_uploads
from app.events.visit import connect_visits, draws_each
from app.events.work import connect_work
from app.panels.answer import build_answer
from app.panels.arrival import build_arrival
from app.panels.ask import build_action, build_ask
from app.panels.library import build_library
from app.panels.source import build_source
from app.panels.stage import build_stage
from app.panels.updates import html_panel
from app.runs.archive import RunArchive
from app.runs.examples import questions_of, read_examples
from app.runs.question import offered_methods
from app.runs.truth import truth_of
from app.runtime.model_loader import ModelLoader
from app.runtime.queue import LONGEST, ModelQueue
from app.runtime.sessions import Sessions, Uploads
from app.runtime.worker import Worker
from app.views.heading import heading
from app.views.known_words import known_word_list
from attribution.analysis.groups import columns_of
from attribution.models.base import Generation
from attribution.workspace.workspace import Workspace

MOSAIC = 60  # training images behind the invitation
KEPT = (3600, 24 * 3600)  # seconds: how often Gradio's files are looked through, and how old they may get


def build_page(
    workspace: Workspace,
    archive: RunArchive,
    uploads: Uploads | None = None,
    loader: ModelLoader | None = None,
    turns: tuple[ModelQueue, Worker] | None = None,
    models: Sequence[tuple[str, str, bool]] = (),
) -> gr.Blocks:
    """The page on one workspace. `app.server` serves it, with the pictures beside it.

    Args:
        turns: the queue and the thread of whatever computes; other models' pages share them.
        models: the title and the path of each model to choose from, and whether it is this one.

    Raises:
        WorkspaceError: the example questions or the truth beside the workspace cannot be read.
    """
    loader = loader or ModelLoader(workspace)
    with gr.Blocks(title="Whence", fill_width=True, analytics_enabled=False, delete_cache=KEPT) as blocks:
        html_panel(heading(workspace, models), "heading")
        page = build_panels(workspace, archive, uploads or Uploads(), loader, turns)
        connect_api(page)  # first: its endpoints have the plain names
        connect_attributing(page, connect_generating(page))
        connect_uploads(page)
        connect_box(page)
        connect_trace(page)
        connect_selection(page)
        connect_comparing(page)
        connect_stop(page)
        connect_training_image(page)
        connect_counterfactual(page)
        connect_history(page)
        connect_library(page)
        connect_collection(page)
        connect_work(page)
        connect_visits(blocks, page)
    # Whoever asks waits in line: no endpoint that computes is called past the queue.
    blocks.queue(max_size=4 * LONGEST, default_concurrency_limit=8, api_open=False)
    return blocks


def build_panels(
    workspace: Workspace,
    archive: RunArchive,
    uploads: Uploads,
    loader: ModelLoader,
    turns: tuple[ModelQueue, Worker] | None = None,
) -> PageContext:
    """Every panel in its place, inside the `gr.Blocks` that is being built; nothing is wired yet.

    Raises:
        WorkspaceError: the example questions or the truth beside the workspace cannot be read.
    """
    count = len(workspace.training_set)
    examples = read_examples(questions_of(workspace.folder))
    mosaic = tuple(range(0, count, max(count // MOSAIC, 1)))[:MOSAIC]
    with gr.Row(elem_id="desk", equal_height=False):
        with gr.Column(elem_id="query", min_width=0):
            arrival = build_arrival(archive, examples)
            known = known_word_list(workspace.training_set)
            source = build_source(examples, Generation("defaults"), known, listed=not arrival.visible)
            stage = build_stage()
            action = build_action()
        with gr.Column(elem_id="findings", min_width=0):
            ask = build_ask(offered_methods(workspace), count, draws_each(workspace))
            answer = build_answer(mosaic, columns_of(workspace.training_set), truth_of(workspace))
    library = build_library(text_space_titles(workspace))
    queue, worker = turns or (ModelQueue(), Worker())
    return PageContext(
        workspace, loader, archive, queue, worker, Sessions(), uploads, examples, mosaic,
        arrival, source, stage, ask, action, answer, library,
    )  # fmt: skip


def theme() -> gr.themes.Base:
    """Quiet: everything else is in assets/page/page.css. Fonts come with Gradio, not from afar."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.orange,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_md,
        font=[
            gr.themes.utils.fonts.LocalFont("IBM Plex Sans", weights=(400, 700)),
            "system-ui",
            "sans-serif",
        ],
        font_mono=[
            gr.themes.utils.fonts.LocalFont("IBM Plex Mono", weights=(400,)),
            "ui-monospace",
            "monospace",
        ],
    )
