"""The page and the pictures beside it, on one server.

A training image is asked for by its row, a number; nothing that a browser sends ever becomes a path.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence
from functools import lru_cache, partial

import gradio as gr
import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, PlainTextResponse

from app.events.context import sentence
from app.frontend.assets import FOLDER, script, styles
from app.frontend.glossary import tips_script
from app.frontend.head_script import EarlyScript, Preview
from app.gradio_edges import close_gradio
from app.page import build_page, theme
from app.panels.updates import FONTS
from app.runs.archive import RunArchive
from app.runs.examples import questions_of, read_examples
from app.runs.truth import truth_of
from app.runtime.failures import Failures
from app.runtime.gate import Access, Gate
from app.runtime.late_pages import LatePages
from app.runtime.model_loader import ModelLoader
from app.runtime.models import ServedModel, served_models
from app.runtime.queue import ModelQueue
from app.runtime.reports import REPORTS
from app.runtime.sessions import MAX_SESSIONS, Upload, Uploads
from app.runtime.upload_room import Limits, UploadRoom
from app.runtime.worker import Worker
from app.views.card import Fonts, run_card
from app.views.pictures import MEDIA_TYPE, on_screen
from app.views.preview import preview_tags
from attribution.analysis.evidence import evidence_of
from attribution.data.images import read_image
from attribution.errors import ImageError, RunError, TrainingSetError
from attribution.workspace.workspace import Workspace

MAX_UPLOAD = 20 * 2**20  # bytes
DECODED_AT_ONCE, TAKEN_AT_ONCE = 2, 16  # pictures
PATIENCE = 120.0  # seconds for one of them, from its first byte to its last pixel
THUMBNAIL, LARGE = 192, 640  # pixels of the longer side, about
PLAIN = {"X-Content-Type-Options": "nosniff"}

# Seconds that an idle connection is kept: for longer than programs and proxies keep theirs, so that none is
# closed under a question that is on its way.
KEPT_ALIVE = 75


def build_server(
    workspace: Workspace,
    archive: RunArchive,
    access: Access | None = None,
    others: Sequence[tuple[Workspace, RunArchive]] = (),
) -> FastAPI:
    """The whole application; the first model opens in the background once it is built.

    Args:
        access: who is let in; whoever names this machine by an address or as localhost if that is None.
        others: further models and their runs, each on a page of its own, to be chosen at the top. One
            queue and one thread serve them all; a page is built when it is first opened, and a model is
            when it is first asked.

    Raises:
        WorkspaceError: something beside a workspace cannot be read.
        SettingsError: two workspaces cannot be told apart by their names.
    """
    close_gradio()
    server = _bare()
    models = served_models([workspace, *(each for each, _ in others)])
    archives, turns = [archive, *(each for _, each in others)], (ModelQueue(), Worker())
    loaders = [ModelLoader(each.workspace) for each in models]
    serve_probes(server, loaders[0])  # the others are opened when they are first asked
    first, *further = zip(models, archives, loaders, strict=True)
    serve_page(server, first[0], models, *first[1:], turns)
    for model, *_ in further:
        check_beside(model.workspace)
    late = {each[0].path: partial(page_alone, each[0], models, *each[1:], turns) for each in further}
    server.add_middleware(LatePages, pages=late)
    server.add_middleware(Failures)
    server.add_middleware(UploadRoom, limits=Limits(each=MAX_UPLOAD))
    server.add_middleware(Gate, access=access or Access())  # the outermost
    loaders[0].start()
    return server


def _bare() -> FastAPI:
    return FastAPI(docs_url=None, redoc_url=None, openapi_url=None)


def check_beside(workspace: Workspace) -> None:
    """Raises WorkspaceError: what lies beside a workspace for its page cannot be read."""
    read_examples(questions_of(workspace.folder))
    truth_of(workspace)


def page_alone(
    model: ServedModel,
    models: Sequence[ServedModel],
    archive: RunArchive,
    loader: ModelLoader,
    turns: tuple[ModelQueue, Worker],
) -> FastAPI:
    """An application that is one model's page and what lies beside it."""
    alone = _bare()
    serve_page(alone, model, models, archive, loader, turns)
    return alone


def serve_page(
    server: FastAPI,
    model: ServedModel,
    models: Sequence[ServedModel],
    archive: RunArchive,
    loader: ModelLoader,
    turns: tuple[ModelQueue, Worker],
) -> None:
    """One model's page and what lies beside it, below its path."""
    workspace, uploads, beside = model.workspace, Uploads(), APIRouter(prefix=model.path.rstrip("/"))
    serve_assets(beside)
    serve_pictures(beside, workspace)
    serve_cards(beside, workspace, archive)
    receive_uploads(beside, uploads)
    server.include_router(beside)
    choice = [(each.title, each.path, each is model) for each in models] if len(models) > 1 else []
    page = build_page(workspace, archive, uploads, loader, turns, choice)
    # Gradio keeps most of a megabyte of each page that was ever opened, of ten thousand at most.
    page.state_session_capacity = MAX_SESSIONS
    gr.mount_gradio_app(
        server,
        page,
        path=model.path.rstrip("/") or "/",
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=MAX_UPLOAD,
        ssr_mode=False,
        pwa=False,
        enable_monitoring=False,
        theme=theme(),
        head=head(workspace),
        favicon_path=str(FOLDER / "mark.png") if model.path == "/" else None,  # it is the whole site's
    )
    # Gradio sets this of a page that it launches itself. Without it, it lets a request name any file of
    # this machine as if it had been uploaded.
    page.has_launched = True
    server.add_middleware(
        EarlyScript, head=head(workspace), path=model.path, preview=previews(workspace, archive)
    )


def head(workspace: Workspace) -> str:
    """What stands in the page's head: its looks, and the scripts that it begins with."""
    tips = tips_script(evidence_of(workspace))
    return (
        '<link rel="stylesheet" href="page.css"><meta name="color-scheme" content="light dark">'
        f"<script>{tips}{script('page.js')}{script('tips.js')}</script>"
    )


def serve_assets(server: APIRouter) -> None:
    """The style sheets, as one file: Gradio would rewrite them, and drop their fonts and media queries."""

    @server.get("/page.css")
    def css() -> Response:
        return Response(styles(), media_type="text/css", headers={"Cache-Control": "no-cache"})


def serve_probes(server: FastAPI, loader: ModelLoader) -> None:
    """/healthz: the server answers; /readyz: its model is open, too. What a container's keeper asks."""

    @server.get("/healthz")
    def healthy() -> Response:
        return PlainTextResponse("alive")

    @server.get("/readyz")
    def ready() -> Response:
        problem = loader.problem
        return PlainTextResponse("ready" if problem is None else problem, 200 if problem is None else 503)


def serve_pictures(server: APIRouter, workspace: Workspace) -> None:
    """/thumbs/ROW and /images/ROW: a training image, re-encoded, small or large.

    A browser may keep them, but asks each time whether they are still this training set's.
    """
    training_set = workspace.training_set
    tag = f"{training_set.fingerprint}-{THUMBNAIL}-{LARGE}"

    @lru_cache(maxsize=4096)
    def thumbnail(row: int) -> bytes:
        return on_screen(training_set.image(row), THUMBNAIL)

    def answer(request: Request, row: int, small: bool) -> Response:
        if not 0 <= row < len(training_set):
            return Response(status_code=404)
        headers = {**PLAIN, "Cache-Control": "private, no-cache", "ETag": f'"{tag}-{row}"'}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        try:
            data = thumbnail(row) if small else on_screen(training_set.image(row), LARGE)
        except (ImageError, TrainingSetError) as problem:
            REPORTS.refused(str(problem))
            return Response(status_code=404)
        return Response(data, media_type=MEDIA_TYPE, headers=headers)

    @server.get("/thumbs/{row}")
    def thumbs(request: Request, row: int) -> Response:
        return answer(request, row, small=True)

    @server.get("/images/{row}")
    def images(request: Request, row: int) -> Response:
        return answer(request, row, small=False)


def serve_cards(server: APIRouter, workspace: Workspace, archive: RunArchive) -> None:
    """/cards/RUN.png: a kept answer as a picture for link previews; who has the id may see the run."""

    @lru_cache(maxsize=64)
    def card(run_id: str) -> bytes:
        return run_card(archive.read(run_id), workspace, Fonts(FONTS))

    @server.get("/cards/{run_id}.png")
    def cards(run_id: str) -> Response:
        try:
            archive.summary(run_id)  # it may have been deleted since its card was drawn
            data = card(run_id)
        except RunError:
            return Response(status_code=404)
        headers = {**PLAIN, "Cache-Control": "private, no-cache"}
        return Response(data, media_type="image/png", headers=headers)


def previews(workspace: Workspace, archive: RunArchive) -> Preview:
    """What other sites are told of a link to the page or to a kept run."""

    def preview(page: str, run_id: str) -> str:
        try:
            run = archive.read(run_id) if run_id else None
        except RunError:
            run = None  # the page itself says what is wrong with the link
        return preview_tags(workspace, page, run)

    return preview


def receive_uploads(server: APIRouter, uploads: Uploads) -> None:
    """/uploads: a picture as the body of a request; it is decoded at once and its bytes are dropped.

    The header keeps other sites from posting here: a browser lets them send none of their own. A few are
    taken in at once, and fewer decoded, off the event loop: a hundred large ones cannot hold the page.
    """
    decoding, coming_in = asyncio.Semaphore(DECODED_AT_ONCE), asyncio.Semaphore(TAKEN_AT_ONCE)

    async def received(request: Request) -> JSONResponse:
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > MAX_UPLOAD:
                return refusal("the picture is larger than 20 MB: give a smaller one", 413)
        try:
            async with decoding:
                image, settings = await run_in_threadpool(read_image, bytes(data))
        except ImageError as problem:
            return refusal(str(problem), 422)
        return JSONResponse({"token": uploads.put(Upload(image, settings))})

    @server.post("/uploads")
    async def receive(request: Request) -> JSONResponse:
        if request.headers.get("x-whence") != "upload":
            return refusal("uploads come from the page alone", 403)
        if coming_in.locked():
            return refusal("too many pictures come in at once: send it again in a while", 503)
        try:
            async with coming_in, asyncio.timeout(PATIENCE):
                return await received(request)
        except TimeoutError:
            return refusal("the picture took too long to arrive: send it again", 408)


def refusal(words: str, code: int) -> JSONResponse:
    return JSONResponse({"refused": sentence(words)}, status_code=code)


class QuietServer(uvicorn.Server):
    """Every open page holds a connection for ever: cutting it at the end is no error worth a traceback."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)


def serve(server: FastAPI, host: str, port: int) -> None:
    """Serve until interrupted."""
    config = uvicorn.Config(
        server, host=host, port=port, log_level="warning", timeout_graceful_shutdown=1,
        timeout_keep_alive=KEPT_ALIVE,
    )  # fmt: skip
    QuietServer(config).run()
