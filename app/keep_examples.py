"""The answers to the example questions beside a workspace, kept there for the page to open on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace

from app.events.generate import generated_picture
from app.runs.archive import RunArchive
from app.runs.examples import ExampleQuestion, answers_of, questions_of, read_examples
from app.runs.question import checked_run, offered_methods, usual_methods
from app.runs.run import Run
from attribution.engine import attribute
from attribution.errors import WorkspaceError
from attribution.models.base import Generation
from attribution.results import Attribution
from attribution.workspace.workspace import Workspace


def kept_examples(workspace: Workspace, effort: str = "refined") -> Iterator[Run]:
    """Answer and keep one example after another, as the page asks them; what was kept before is replaced.

    Raises:
        WorkspaceError: there are no questions, or they cannot be read.
        RunError: the answers cannot be written beside the workspace.
    """
    path = questions_of(workspace.folder)
    questions = read_examples(path)
    if not questions:
        line = '[{"prompt": "a cat on a table", "seed": 3, "box": [0, 0.2, 0.5, 1], "about": "the cat"}]'
        raise WorkspaceError(f"there are no example questions: write some into {path}, such as {line}")
    archive = RunArchive(answers_of(workspace.folder), workspace)
    for question in questions:
        run = _answered(workspace, question, effort)
        shutil.rmtree(archive.folder / run.id, ignore_errors=True)
        archive.keep(run)
        yield run


def _answered(workspace: Workspace, question: ExampleQuestion, effort: str) -> Run:
    generation = Generation(question.prompt, question.seed)
    *_, last = workspace.model.generate(generation)
    picture = generated_picture(workspace, generation, last.image)
    boxes = () if question.box is None else (question.box,)
    model = workspace.fingerprints["model"]
    run = checked_run(picture, boxes, usual_methods(offered_methods(workspace)), effort, "", model)
    for event in attribute(workspace, run.parts[0].query, run.methods, run.settings):
        if isinstance(event, Attribution):
            run = run.with_part(0, rankings=dict(event.rankings), attribution=event)
    return replace(run, id=question.run_id)
