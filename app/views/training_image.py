"""One training image, large: what is known of it, where each method ranks it, and what is like it."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from app.charts.loss_map import overlaid
from app.charts.timesteps import timestep_chart
from app.runs.selection import Strip, answered
from app.views.pictures import data_uri
from app.views.results_grid import SHOWN
from app.views.scores import figures_of
from attribution.analysis.loss_map import Forgotten
from attribution.analysis.near_duplicates import NEARLY, Alike
from attribution.data.training_set import Example
from attribution.results import Ranking

MAP_SIDE = 360  # pixels on the screen
MINUS = "\N{MINUS SIGN}"
NEAR = f"nearly the same picture: pixels differ by less than {NEARLY:.0f} of 255"


@dataclass(frozen=True)
class Neighbour:
    """A training image like the one that is shown."""

    example: Example
    alike: Alike


@dataclass(frozen=True)
class LossMaps:
    """What takes a moment to find out about a training image.

    Attributes:
        picture: the image as the model sees it.
        forgotten: how it was, by the name of the ranking.
        waiting: it is being measured still.
    """

    picture: Image.Image | None = None
    forgotten: Mapping[str, Forgotten] = field(default_factory=dict)
    waiting: bool = False


NOTHING = LossMaps()


def training_image_view(
    example: Example,
    shown: Sequence[Strip],
    maps: LossMaps = NOTHING,
    like: Mapping[str, Sequence[Neighbour]] | None = None,
    of: str = "Method",
) -> str:
    """`shown`: the rankings on the page, each under its own name; what is named is `of`.

    `like`: the training images nearest to it, by the title of the embedding.
    """
    caption = html.escape(example.caption)
    places = "".join(_place(example.id, strip, ranking) for strip, ranking in answered(shown))
    table = (
        f'<table><thead><tr><th scope="col">{of}</th><th scope="col">Rank</th>'
        f'<th scope="col">Score</th></tr></thead><tbody>{places}</tbody></table>'
        if places
        else ""
    )
    return (
        f'<div class="detail-look"><img class="detail-picture" src="images/{example.row}" alt="{caption}">'
        f'<button type="button" class="detail-use" data-use="{html.escape(example.id)}">Use as query'
        f'</button></div><div class="detail-words"><h3 tabindex="-1">{caption}</h3>{table}'
        f"<dl>{_known(example)}</dl></div>{_forgotten(maps)}{_likeness(like or {})}"
    )


def _known(example: Example) -> str:
    return "".join(
        f"<div><dt>{html.escape(str(key))}</dt><dd>{html.escape(fact_words(value))}</dd></div>"
        for key, value in {"id": example.id, "file": example.file_name, **example.metadata}.items()
        if value is not None
    )


def _forgotten(maps: LossMaps) -> str:
    """Where in it and at which timesteps its loss rose, method by method."""
    if maps.waiting:
        inside = '<p class="detail-wait" role="status">Measuring how it was forgotten…</p>'
    elif maps.picture is None or not maps.forgotten:
        return ""
    else:
        large = maps.picture.resize((MAP_SIDE, MAP_SIDE), Image.Resampling.LANCZOS)
        inside = "".join(_one_way(large, title, found) for title, found in maps.forgotten.items())
    return (
        '<section class="detail-forgotten"><h4>How it was forgotten with the picture</h4>'
        f'<div class="detail-maps">{inside}</div></section>'
    )


def _one_way(picture: Image.Image, title: str, found: Forgotten) -> str:
    name = html.escape(title)
    uri = data_uri(overlaid(picture, found.rises), MAP_SIDE)
    return (
        f'<figure class="detail-map"><img src="{uri}" alt="Map of where its loss rose, by {name}">'
        f"<figcaption><strong>Where</strong> <small>{name}: orange where its loss rose, a line around "
        "where it rose most</small></figcaption></figure>"
        f'<figure class="detail-steps">{timestep_chart(found, title)}<figcaption><strong>When</strong> '
        '<small><i class="key before"></i>loss before <i class="key after"></i>after; below, the rise with '
        "one standard error</small></figcaption></figure>"
    )


def _likeness(like: Mapping[str, Sequence[Neighbour]]) -> str:
    rows = "".join(
        f"<h5>{html.escape(title)}</h5><ul>{''.join(map(_neighbour, found))}</ul>"
        for title, found in like.items()
        if found
    )
    if not rows:
        return ""
    return f'<section class="detail-like"><h4>Most like it among the training images</h4>{rows}</section>'


def _neighbour(neighbour: Neighbour) -> str:
    example, alike = neighbour.example, neighbour.alike
    cosine = f"{alike.cosine:.2f}".replace("-", MINUS)
    near = alike.near_duplicate
    spoken = html.escape(f"{example.caption}, likeness {cosine}" + (f", {NEAR}" if near else ""))
    mark = f'<span class="near" title="{NEAR.capitalize()}">near-duplicate</span>' if near else ""
    return (
        f'<li><button type="button" data-open="{html.escape(example.id)}" aria-label="{spoken}" '
        f'title="{html.escape(example.caption)}"><img src="thumbs/{example.row}" alt="" width="72" '
        f'height="72">{mark}<small>{cosine}</small></button></li>'
    )


def _place(example_id: str, strip: Strip, ranking: Ranking) -> str:
    title = f'<th scope="row"><i class="dot"></i>{html.escape(strip.title)}</th>'
    head = f'<tr data-method="{html.escape(strip.method.name)}">{title}'
    entry = next((entry for entry in ranking.entries if entry.id == example_id), None)
    if entry is None:
        return f'{head}<td colspan="2" class="unranked">not in {html.escape(ranking.candidates)}</td></tr>'
    out = ranking.stands_out(entry)
    verdict = ""
    if out is not None and entry.z is not None:
        words = "stands out" if out else "does not stand out"
        verdict = f"<small> z {entry.z:.1f}, {words}</small>"
    return (
        f"{head}<td>{entry.rank:,} <small>of {len(ranking.entries):,}</small></td>"
        f"<td>{figures_of(ranking.entries[:SHOWN]).both(entry)}{verdict}</td></tr>"
    )


def fact_words(value: Any) -> str:
    """A metadata value for a person: names rather than braces where there are names."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(v, dict) and "name" in v for v in value):
        return ", ".join(str(v["name"]) for v in value)
    if isinstance(value, list) and all(isinstance(v, str | int | float) for v in value):
        return ", ".join(map(str, value))
    return json.dumps(value, ensure_ascii=False)
