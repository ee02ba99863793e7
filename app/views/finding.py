"""What an answer says, in a sentence a part."""

from __future__ import annotations

from app.frontend.templates import render
from app.runs.run import Run
from app.views.pictures import data_uri
from attribution.methods.finding import finding_of

SIDE = 144  # pixels of the picture, which stands there on a phone


def finding_view(run: Run | None) -> str:
    """What was asked about, and the sentences of an answer; "" where none is there yet.

    A part in which nothing stands out has none: the banner over its images says so.
    """
    if run is None or not run.answered:
        return ""
    picture = data_uri(run.picture.image, SIDE)
    return render("finding.html", picture=picture, caption=run.caption, findings=findings(run))


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
