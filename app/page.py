"""The page: its panels in their places, wired together."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import gradio as gr

from app.api import connect_api
from app.events.attribute import connect_attributing, connect_box, connect_stop
from app.events.comparison import connect_comparing
from app.events.context import Desk
from app.events.counterfactual import connect_proof
from app.events.generate import connect_generating
from app.events.history import connect_history
from app.events.training_image import connect_inspecting
from app.frontend.assets import script
from app.panels.answer import build_answer
from app.panels.ask import build_action, build_ask, effort_choices, offered
from app.panels.source import build_source
from app.panels.stage import build_stage
from app.runs.archive import Runs
from app.runs.examples import read_questions
from app.runtime.model_loader import Warm
from app.runtime.queue import LONGEST, Line
from app.runtime.sessions import Sessions, Uploads
from app.runtime.worker import Worker
from attribution.analysis.groups import columns_of
from attribution.errors import WhenceError
from attribution.models.base import Generation
from attribution.workspace.workspace import Workspace

MOSAIC = 60  # training images behind the invitation
KEPT = (3600, 24 * 3600)  # seconds: how often Gradio's files are looked through, and how old they may get


def build_page(
    workspace: Workspace, runs: Runs, uploads: Uploads | None = None, warm: Warm | None = None
) -> gr.Blocks:
    """The page on one workspace. `app.server` serves it, with the pictures beside it.

    Raises:
        WorkspaceError: the example questions beside the workspace cannot be read.
    """
    count = len(workspace.training_set)
    questions = read_questions(Path(workspace.folder).parent / "examples.json")
    mosaic = tuple(range(0, count, max(count // MOSAIC, 1)))[:MOSAIC]
    defaults = Generation("defaults")
    with gr.Blocks(title="Whence", fill_width=True, analytics_enabled=False, delete_cache=KEPT) as page:
        gr.HTML(
            heading(count, workspace.resolution),
            apply_default_css=False,
            elem_id="heading",
            js_on_load=None,
        )
        with gr.Row(elem_id="desk", equal_height=False):
            with gr.Column(elem_id="query", min_width=0):
                source = build_source(questions, defaults)
                stage = build_stage()
                action = build_action()
            with gr.Column(elem_id="findings", min_width=0):
                ask = build_ask(offered(workspace), count, draws_each(workspace))
                answer = build_answer(mosaic, columns_of(workspace.training_set))
        desk = Desk(
            workspace, warm or Warm(workspace), runs, Line(), Worker(), Sessions(), uploads or Uploads(),
            questions, mosaic, source, stage, ask, action, answer,
        )  # fmt: skip
        connect_api(desk)  # first: its endpoints have the plain names
        connect_attributing(desk, connect_generating(desk))
        connect_box(desk)
        connect_comparing(desk)
        connect_stop(desk)
        connect_inspecting(desk)
        connect_proof(desk)
        connect_history(desk)

        def leave(request: gr.Request) -> None:
            desk.sessions.close(request.session_hash)

        def expect() -> Any:
            """How long each effort will take on this machine, once the model is there to be timed."""
            try:
                desk.warm.wait()
            except WhenceError:
                return gr.skip()  # told to whoever asks for the model
            return gr.update(
                choices=effort_choices(count, draws_each(workspace), desk.warm.draws_per_second)
            )

        page.unload(leave)
        page.load(expect, None, ask.effort, show_progress="hidden", api_visibility="private")
        page.load(None, js=f"() => {{ {script('shade.js')} }}")
    page.queue(max_size=4 * LONGEST, default_concurrency_limit=8)
    return page


def draws_each(workspace: Workspace) -> int:
    """Of a training image that is measured in full."""
    return len(workspace.probe.timesteps) * workspace.probe.noises


def heading(training_images: int, resolution: int) -> str:
    facts = html.escape(f"{training_images:,} training images · {resolution} × {resolution}")
    return (
        '<header class="masthead"><h1>Whence</h1>'
        "<p>Which training images did this picture come from?</p>"
        f"<small>{facts}</small>"
        '<button type="button" id="history-open" aria-haspopup="dialog">History</button>'
        '<button type="button" id="shade" aria-label="Light or dark">'
        '<i aria-hidden="true"></i></button></header>'
    )


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
