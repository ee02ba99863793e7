"""The head of the page, and what says where to drop a picture."""

from __future__ import annotations

from collections.abc import Sequence

from app.frontend.templates import render
from app.runs.names import model_name, training_set_name
from attribution.workspace.workspace import Workspace


def heading(workspace: Workspace, models: Sequence[tuple[str, str, bool]] = ()) -> str:
    """The page's name, which model and training set it is about, and the buttons of the whole of it.

    Args:
        models: the title and the path of each model to choose from, and whether it is this one.
    """
    return render(
        "heading.html",
        model=model_name(workspace),
        training_set=training_set_name(workspace),
        images=f"{len(workspace.training_set):,}",
        side=workspace.resolution,
        models=models,
    )


def drop_zone() -> str:
    """Where a file is dropped, or chosen."""
    return render("drop.html")
