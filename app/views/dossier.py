"""A collection as one HTML file that can be filed: no script, no request, readable on paper."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from markupsafe import Markup

from app.frontend.assets import report_styles
from app.frontend.templates import render
from app.runs.collection import Collection, Leaning
from app.runs.export import fresh_folder, name_of
from app.views.collection import LEANING, facts_of, picture_of
from app.views.pictures import data_uri
from app.views.report import asked_of, plain_facts
from attribution.errors import ImageError, TrainingSetError
from attribution.workspace.workspace import Workspace

SHOWN, SMALL = 48, 128  # of its images; pixels of each
CAUTIONS = (
    "The pictures are the page's examples and those that were asked about in one browser. They are "
    "no sample of what the model makes, and what is said of them holds for them.",
    "A training image that ranks first is a clue and no proof: something always comes first.",
    "Its share of the first images says how often it is named, not how much of a picture it taught, and "
    "nothing of whether anything was copied.",
    "Unlearning stands in for a training without the images, and approximates it.",
)


def dossier(found: Leaning, workspace: Workspace, proof: dict[str, Any] | None = None) -> str:
    """The whole document. `proof`: title and view of a test of the collection."""
    collection, facts = found.collection, facts_of(found)
    size = f"{facts['images']} of {facts['total']} training images ({facts['base']})"
    return render(
        "dossier.html",
        styles=Markup(report_styles()),
        name=collection.name,
        date=time.strftime("%-d %B %Y, %H:%M UTC", time.gmtime()),
        question=plain_facts({"Collection": collection.name, "Size": size, **asked_of(workspace)}),
        **facts,
        pictures=[picture_of(each) for each in found.questions[:LEANING]],
        proof=proof,
        cells=[_cell(collection, int(row)) for row in collection.rows[:SHOWN]],
        more=f"{len(collection.rows) - SHOWN:,}" if len(collection.rows) > SHOWN else "",
        cautions=CAUTIONS,
        fingerprints=plain_facts(workspace.fingerprints),
    )


def write_dossier(found: Leaning, workspace: Workspace, proof: dict[str, Any] | None = None) -> Path:
    """The document as a file of its own."""
    path = fresh_folder() / f"{name_of(found.collection.name)}-collection.html"
    path.write_text(f"{dossier(found, workspace, proof)}\n", encoding="utf-8")
    return path


def _cell(collection: Collection, row: int) -> dict[str, str]:
    training_set = collection.training_set
    example = training_set.examples[row]
    try:
        picture = data_uri(training_set.image(row), SMALL)
    except (ImageError, TrainingSetError):
        picture = ""  # the document says that it is gone
    return {"id": example.id, "caption": example.caption, "picture": picture}
