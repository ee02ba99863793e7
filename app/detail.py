"""One training image, large: its caption, what is known of it, and where each method ranks it."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from typing import Any

from app.board import SHOWN
from app.scores import figures_of
from attribution.results import Ranking
from attribution.training_set import Example


def detail(example: Example, rankings: Mapping[str, Ranking], maps: Mapping[str, str] | None = None) -> str:
    """`maps`: pictures of where it was forgotten (data URIs), by the title of the method."""
    known = "".join(
        f"<div><dt>{html.escape(str(key))}</dt><dd>{html.escape(fact_words(value))}</dd></div>"
        for key, value in {"id": example.id, "file": example.file_name, **example.metadata}.items()
        if value is not None
    )
    places = "".join(_place(example.id, name, ranking) for name, ranking in rankings.items())
    table = (
        '<table><thead><tr><th scope="col">Method</th><th scope="col">Rank</th>'
        f'<th scope="col">Score</th></tr></thead><tbody>{places}</tbody></table>'
        if places
        else ""
    )
    located = "".join(
        f'<figure class="detail-map"><img src="{uri}" alt=""><figcaption>Where it was forgotten '
        f"<small>{html.escape(title)}: where its loss rose most</small></figcaption></figure>"
        for title, uri in (maps or {}).items()
    )
    return (
        f'<img class="detail-picture" src="images/{example.row}" alt="{html.escape(example.caption)}">'
        f'<div class="detail-words"><h3>{html.escape(example.caption)}</h3>{table}'
        f'<div class="detail-maps">{located}</div><dl>{known}</dl></div>'
    )


def _place(example_id: str, name: str, ranking: Ranking) -> str:
    title = f'<th scope="row"><i class="dot"></i>{html.escape(ranking.title)}</th>'
    head = f'<tr data-method="{html.escape(name)}">{title}'
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
