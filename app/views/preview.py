"""What other sites show of a link to the page, and what a browser's tab is called."""

from __future__ import annotations

from app.frontend.templates import render
from app.runs.names import model_name, training_set_name
from app.runs.run import Run
from app.views.finding import findings
from attribution.workspace.workspace import Workspace

NAME = "Whence"
ABOUT = "Which training images did this picture come from?"


def title_of_run(run: Run) -> str:
    """What the tab of a run is called."""
    return f"{run.caption} · {NAME}"


def preview_tags(workspace: Workspace, page: str, run: Run | None = None) -> str:
    """Title, description and, of a run, the card, as tags for a page's head.

    Args:
        page: the page's address, with a slash at its end: previews take no relative ones.
        run: that the link is to; None for the page itself.
    """
    if run is None:
        words = f"{ABOUT} Asked of {model_name(workspace)}, trained on {training_set_name(workspace)}."
        return render("preview.html", title=NAME, words=words, address=page, card="", about="")
    said = " ".join(f"{part}: {words}" if part else words for part, words in findings(run, nothing=True))
    return render(
        "preview.html",
        title=title_of_run(run),
        words=said or ABOUT,
        address=f"{page}?run={run.id}",
        card=f"{page}cards/{run.id}.png",
        about=f"The picture “{run.caption}” and the first training images of its answer",
    )
