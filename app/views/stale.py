"""What the answer on the page is of, where that is not what would be asked now."""

from __future__ import annotations

from collections.abc import Sequence

from app.frontend.templates import render
from app.runs.boxes import boxes_of_run
from app.runs.run import Run
from app.views.pictures import data_uri
from attribution.query import Box

CROP = 96  # pixels


def is_stale(run: Run | None, boxes: Sequence[Box], caption: str | None = None) -> bool:
    """Whether a run's answers, there or on their way, are of other parts or of another caption.

    Args:
        boxes: that are marked on the run's picture now.
        caption: that is written beside an upload now; None for a picture that has its own.
    """
    if run is None:
        return False
    return boxes_of_run(run) != tuple(boxes) or caption not in (None, run.caption)


def stale_answer(run: Run | None, boxes: Sequence[Box], caption: str | None = None) -> str:
    """A card with what was asked about, and the way back to it; "" where that is still the question."""
    if run is None or not is_stale(run, boxes, caption):
        return ""
    other = boxes_of_run(run) != tuple(boxes)
    crops = [part.query.box.crop(run.picture.image) for part in run.parts if part.query.box is not None]
    return render(
        "stale.html",
        crops=[data_uri(crop, CROP) for crop in crops or [run.picture.image]],
        of=_parts_in_words(run) if other else "the caption",
        caption="" if other else run.caption,
    )


def _parts_in_words(run: Run) -> str:
    labels = [part.label for part in run.parts if part.query.box is not None]
    if not labels:
        return "the whole picture"
    return "this part" if len(labels) == 1 else f"parts {', '.join(labels[:-1])} and {labels[-1]}"
