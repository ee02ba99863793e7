"""What an answer says, in a sentence a part."""

from __future__ import annotations

from app.frontend.templates import render
from app.runs.run import Run
from attribution.methods.finding import finding_of


def finding_view(run: Run | None) -> str:
    """The sentences of an answer; "" where none is there yet.

    A part in which nothing stands out has none: the banner over its images says so.
    """
    return render("finding.html", findings=findings(run)) if run is not None and findings(run) else ""


def findings(run: Run, nothing: bool = False) -> list[tuple[str, str]]:
    """(the part's title where there are several or "", its sentence) of every part that has one.

    Args:
        nothing: whether the parts in which nothing stands out are among them.
    """
    found = [(part.title, finding_of(part.rankings)) for part in run.parts if part.attribution is not None]
    return [
        (title if len(run.parts) > 1 else "", each.sentence)
        for title, each in found
        if each is not None and (nothing or not each.nothing)
    ]
