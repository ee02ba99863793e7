"""One training image, large: what is known of it, where each method ranks it, and what is like it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from app.charts.loss_map import overlaid
from app.charts.timesteps import timestep_chart
from app.frontend.templates import render
from app.runs.selection import SHOWN, Strip, answered
from app.views.pictures import data_uri
from app.views.reasons import Reason
from app.views.scores import figures_of, lines_of
from attribution.analysis.loss_map import LossMap
from attribution.analysis.near_duplicates import NEARLY, SimilarImage
from attribution.data.training_set import Example
from attribution.query import Box
from attribution.results import Ranking

MAP_SIDE, ASKED_SIDE = 360, 384  # pixels on the screen
MINUS = "\N{MINUS SIGN}"
NEAR = f"nearly the same picture: pixels differ by less than {NEARLY:.0f} of 255"


@dataclass(frozen=True)
class Neighbour:
    """A training image like the one that is shown."""

    example: Example
    alike: SimilarImage


@dataclass(frozen=True)
class LossMaps:
    """What takes a moment to find out about a training image.

    Attributes:
        picture: the image as the model sees it.
        forgotten: how it was, by the name of the ranking.
        waiting: it is being measured still.
    """

    picture: Image.Image | None = None
    forgotten: Mapping[str, LossMap] = field(default_factory=dict)
    waiting: bool = False


NOTHING = LossMaps()


@dataclass(frozen=True)
class Asked:
    """What was asked about, to compare a training image with.

    Attributes:
        boxes: of the parts whose rankings are on the page.
    """

    picture: Image.Image
    caption: str
    boxes: tuple[Box, ...]


def training_image_view(
    example: Example,
    shown: Sequence[Strip],
    maps: LossMaps = NOTHING,
    nearest: Mapping[str, Sequence[Neighbour]] | None = None,
    of: str = "Method",
    reasons: Sequence[Reason] = (),
    asked: Asked | None = None,
) -> str:
    """The whole dialog.

    Args:
        shown: the rankings on the page, each under its own name; what is named is `of`.
        nearest: the training images nearest to it, by the title of the embedding.
        reasons: why it may stand where it does.
        asked: what it is shown beside.
    """
    facts = {"id": example.id, "file": example.file_name, **example.metadata}
    return render(
        "training_image.html",
        example=example,
        of=of,
        places=[_place(example.id, strip, ranking) for strip, ranking in answered(shown)],
        facts=[(str(name), fact_words(value)) for name, value in facts.items() if value is not None],
        reasons=reasons,
        asked=None if asked is None else _asked(asked),
        measuring=maps.waiting,
        maps=_maps(maps),
        nearest=[
            (title, [_neighbour(each) for each in found])
            for title, found in (nearest or {}).items()
            if found
        ],
    )


def _asked(asked: Asked) -> dict[str, Any]:
    return {
        "picture": data_uri(asked.picture, ASKED_SIDE),
        "caption": asked.caption,
        "boxes": [box.as_tuple() for box in asked.boxes],
        "words": "asked about: the part in the frame" if asked.boxes else "asked about",
    }


def _maps(maps: LossMaps) -> list[dict[str, str]]:
    """Where in it and at which timesteps its loss rose, method by method."""
    if maps.picture is None:
        return []
    large = maps.picture.resize((MAP_SIDE, MAP_SIDE), Image.Resampling.LANCZOS)
    return [
        {
            "title": title,
            "picture": data_uri(overlaid(large, found.cells), MAP_SIDE),
            "chart": timestep_chart(found, title),
        }
        for title, found in maps.forgotten.items()
    ]


def _neighbour(neighbour: Neighbour) -> dict[str, Any]:
    example, alike = neighbour.example, neighbour.alike
    cosine = f"{alike.cosine:.2f}".replace("-", MINUS)
    near = NEAR if alike.near_duplicate else ""
    return {
        "id": example.id,
        "row": example.row,
        "caption": example.caption,
        "cosine": cosine,
        "near": near,
        "spoken": f"{example.caption}, likeness {cosine}" + (f", {near}" if near else ""),
    }


def _place(example_id: str, strip: Strip, ranking: Ranking) -> dict[str, Any]:
    """Where one ranking has the image; its rank is None if it is not in it."""
    head = {"title": strip.title, "method": strip.method.name, "candidates": ranking.candidates}
    rank = ranking.rank_of(example_id)
    if rank is None:
        return {**head, "rank": None}
    entry = ranking.entry(rank - 1)
    out, verdict = ranking.stands_out(entry), ""
    if out is not None and entry.z is not None:
        z = f"{entry.z:.1f}".replace("-", MINUS)
        verdict = f"z {z}, {'stands out' if out else 'does not stand out'}"
    return {
        **head,
        "rank": f"{rank:,}",
        "ranked": f"{len(ranking):,}",
        "score": figures_of(lines_of(ranking, SHOWN).sure or (entry,), ranking).both(entry),
        "verdict": verdict,
    }


def fact_words(value: Any) -> str:
    """A metadata value for a person: names rather than braces where there are names."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(v, dict) and "name" in v for v in value):
        return ", ".join(str(v["name"]) for v in value)
    if isinstance(value, list) and all(isinstance(v, str | int | float) for v in value):
        return ", ".join(map(str, value))
    return json.dumps(value, ensure_ascii=False)
