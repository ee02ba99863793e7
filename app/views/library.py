"""The library as it is shown: its columns with their counts, and one page of training images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from app.frontend.templates import render
from app.runs.library import PAGE, LibraryQuestion
from attribution.analysis.library import Page
from attribution.data.catalogue import Catalogue
from attribution.data.facts import Column
from attribution.data.training_set import TrainingSet

FIRST, MORE = 8, 52  # values of a column that are shown at once, and behind "more"; others are typed
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class LikeWhat:
    """What the images that are found are ordered by their likeness to.

    Attributes:
        picture: its address, or its pixels as one.
        space: in which embedding; spaces: (name, title) of all.
    """

    picture: str
    words: str
    space: str
    spaces: Sequence[tuple[str, str]]


def room_view(text_spaces: Sequence[tuple[str, str]]) -> str:
    """The library's frame, which the browser fills. `text_spaces`: (name, title) of each."""
    return render("library.html", text_spaces=text_spaces)


def shelf_view(
    page: Page, training_set: TrainingSet, question: LibraryQuestion, like: LikeWhat | None
) -> str:
    """One page of what was found, what it is, and the way to the others."""
    start = (question.page - 1) * PAGE
    pages = -(-page.listed // PAGE)
    return render(
        "shelf.html",
        found=f"{page.found:,}",
        total=f"{len(training_set):,}",
        all_found=page.found == len(training_set),
        narrows=question.narrows,
        filters=question.filters,
        like=like,
        cells=_cells(page, training_set),
        first=f"{start + 1:,}",
        last=f"{start + len(page.rows):,}",
        pages=f"{max(pages, 1):,}",
        page=question.page,
        has_next=question.page < pages,
        listed=f"{page.listed:,}" if page.listed < page.found else "",
    )


def columns_view(catalogue: Catalogue, page: Page, question: LibraryQuestion) -> str:
    """Every column with how many of what was found have each value, its own filter left aside."""
    columns = [_column(catalogue, column, page, question) for column in catalogue.columns.values()]
    return render("library_columns.html", columns=columns)


def _cells(page: Page, training_set: TrainingSet) -> list[dict[str, Any]]:
    cells = []
    for position, row in enumerate(page.rows):
        example = training_set.examples[row]
        cosine = None if page.cosines is None else f"{page.cosines[position]:.2f}".replace("-", MINUS)
        spoken = example.caption if cosine is None else f"{example.caption}, likeness {cosine}"
        cells.append(
            {"id": example.id, "row": row, "caption": example.caption, "cosine": cosine, "spoken": spoken}
        )
    return cells


def _column(catalogue: Catalogue, column: Column, page: Page, question: LibraryQuestion) -> dict[str, Any]:
    own = [each for each in question.asked_filters if each.column == column.name]
    others = [each for each in question.asked_filters if each.column != column.name]
    found = catalogue.chosen(question.words, others) if own else page.chosen
    asked = {each.value: int((found & catalogue.chosen("", [each])).sum()) for each in own}
    counts = {**asked, **_most_frequent(column, found)}
    values = [
        {"value": value, "count": f"{count:,}", "checked": value in asked}
        for value, count in counts.items()
    ]
    numbers = column.numbers
    return {
        "name": column.name,
        "title": column.name.replace("_", " "),
        "values": values[:FIRST],
        "more": values[FIRST:],
        "typed": len(column.values.places) > FIRST + MORE,
        "hint": "a value" if numbers is None else f"{np.nanmin(numbers):g}..{np.nanmax(numbers):g}",
    }


def _most_frequent(column: Column, found: Bool[ndarray, " examples"]) -> dict[str, int]:
    """The values that most of what was found has, with how many."""
    counts = column.values.counts_among(found)
    most = np.argsort(-counts, kind="stable")[: FIRST + MORE]
    return {column.values.terms[place]: int(counts[place]) for place in most if counts[place]}
