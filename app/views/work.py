"""Whether a work is in the training set, in plain words and beside what is nearest to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from app.frontend.templates import render
from app.views.pictures import data_uri
from attribution.analysis.work import SHOWN, UNUSUAL, NearImage, Nearness, WorkCheck
from attribution.data.training_set import TrainingSet

SIDE = 240  # pixels
MINUS = "\N{MINUS SIGN}"
NAMED = 3  # copies that a headline names
NOT_SHOWN = (
    "This is likeness and nothing else: it says whether the picture, or one like it, is among the training "
    "images, and not what any other picture owes to it. For that, ask about a picture.",
    "A crop, a collage, or a work that was changed much is not found by its pixels; look at the nearest by "
    "yourself.",
    "What is compared with are training images and their nearest others. Where many of those are alike, "
    "much has to be alike to be unusual.",
)


def work_room() -> str:
    """Where a work is brought, and what it is for."""
    return render("work_room.html")


def work_view(
    found: WorkCheck, picture: Image.Image, training_set: TrainingSet, titles: Mapping[str, str]
) -> str:
    """The whole of it. `titles`: of each embedding, by its encoder."""
    head, words = work_verdict(found, training_set)
    return render(
        "work.html",
        picture=data_uri(picture, SIDE),
        head=head,
        words=words,
        spaces=[_space(space, training_set, titles[space.encoder]) for space in found.spaces],
        notes=NOT_SHOWN,
    )


def work_verdict(found: WorkCheck, training_set: TrainingSet) -> tuple[str, str]:
    """(a headline, what it rests on)."""
    if found.exact:
        return f"It is in the training set: {_named(found.exact, training_set)}.", (
            "At the model's size its pixels are the same, up to what saving a picture once more changes."
        )
    if found.near:
        return f"Nearly the same picture is in the training set: {_named(found.near, training_set)}.", (
            f"Its pixels differ by {found.near[0].apart:.0f} of 255 levels; whether it is the same work, "
            "look for yourself."
        )
    total = len(found.spaces[0].others)
    if any(space.unusual for space in found.spaces):
        return "No copy was found, but something is unusually like it.", (
            f"Of {total:,} training images that were looked at, at most {UNUSUAL:.0%} have another "
            "that is as near to them. It may be a changed or cropped version, or "
            "another picture of the same thing."
        )
    return "Nothing here is nearer to it than training images are to each other.", (
        "No copy was found by its pixels. That does not show that it was not trained on: a crop, or what "
        "somebody changed much, may be missed."
    )


def _named(images: tuple[NearImage, ...], training_set: TrainingSet) -> str:
    """ "row 12 (train-00012) and row 40 (train-00040, mirrored)"; rows are counted from 1."""
    said = [
        f"row {each.row + 1:,} ({training_set.ids[each.row]}{', mirrored' if each.mirrored else ''})"
        for each in images[:NAMED]
    ]
    more = f" and {len(images) - NAMED:,} more" if len(images) > NAMED else ""
    return " and ".join(said) + more if not more else ", ".join(said) + more


def _space(space: Nearness, training_set: TrainingSet, title: str) -> dict[str, Any]:
    best = space.nearest[0]
    middle = float(space.others[len(space.others) // 2])
    return {
        "title": title,
        "unusual": space.unusual,
        "words": (
            f"The nearest has a likeness of {_cosine(best.cosine)}. {_share(space)} of "
            f"{len(space.others):,} training images have another that is as near; half of them "
            f"one of {_cosine(middle)} or more."
        ),
        "cells": [_cell(each, training_set) for each in space.nearest[:SHOWN]],
    }


def _share(space: Nearness) -> str:
    count = round(space.as_near * (1 + len(space.others))) - 1
    return f"{count / len(space.others):.1%}" if count else "None"


def _cell(near: NearImage, training_set: TrainingSet) -> dict[str, Any]:
    example, likeness = training_set.examples[near.row], _cosine(near.cosine)
    mirrored = ", mirrored" if near.mirrored else ""
    pixels = f"{near.apart:.0f} of 255"
    return {
        "id": example.id,
        "row": near.row,
        "caption": example.caption,
        "words": f"{likeness}{mirrored}",
        "pixels": pixels,
        "spoken": f"{example.caption}, likeness {likeness}{mirrored}, pixels differ by {pixels}",
    }


def _cosine(value: float) -> str:
    return f"{value:.2f}".replace("-", MINUS)
