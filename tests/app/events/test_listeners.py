"""Laws of what is bound to what happens on the page, without a browser."""

from __future__ import annotations

import asyncio
from pathlib import Path

import gradio as gr
import pytest

from app.page import build_page
from app.runs.archive import RunArchive
from attribution.workspace.workspace import Workspace

NONE_DROPPED = [
    ("history", "forget"),
    ("history", "look"),
    ("stage", "box"),
    ("stage", "upload"),
    ("drop", "upload"),
    ("library", "bring"),
    ("work", "bring"),
]
# What reads fields and nothing that comes with the event: only then does the last one say all.
LAST_COUNTS = [
    ("measure", "then"),
    *((name, "input") for name in ("beside", "shown-part", "shown-method")),
    *((name, "input") for name in ("ranks-across", "ranks-along")),
    *((name, "input") for name in ("group-of", "group-column", "group-measure")),
]


@pytest.fixture(scope="module")
def modes(tiny_world: Workspace, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str]:
    """How what comes is taken while what came before is still being answered, by component and event.

    What follows an answer has no component: it goes by the name of its handler.
    """
    folder: Path = tmp_path_factory.mktemp("runs")

    async def built() -> gr.Blocks:
        return build_page(tiny_world, RunArchive(folder, tiny_world))

    blocks = asyncio.run(built())  # where no event loop runs, Gradio makes some and leaves them open
    names = {number: str(block.elem_id) for number, block in blocks.blocks.items()}
    return {
        (names.get(number or -1, str(each.name)), event): str(each.trigger_mode)
        for each in blocks.fns.values()
        for number, event in each.targets
    }


def test_nothing_that_is_sent_is_dropped(modes: dict[tuple[str, str], str]) -> None:
    """Law: What a component sends is heard, also while what it sent before is being answered."""
    assert {each: modes[each] for each in NONE_DROPPED} == dict.fromkeys(NONE_DROPPED, "multiple")


def test_the_last_choice_counts(modes: dict[tuple[str, str], str]) -> None:
    assert {each: modes[each] for each in LAST_COUNTS} == dict.fromkeys(LAST_COUNTS, "always_last")
