"""The answer as it is shown: one strip of training images a method, the same rank above the same rank."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence

from app.scores import Figures, figures_of
from attribution.registry import Method
from attribution.results import Entry, Ranking

SHOWN = 24  # ranks a method shows; the exports have them all

STANDS_OUT = "beyond what pictures that have nothing to do with this image would score"

INVITATION = (
    ("Bring a picture", "Write a prompt and let the model paint it, or drop in one that it made."),
    ("Say which part", "Draw a box around what you wonder about, or ask about the whole picture."),
    ("Attribute", "The model unlearns it. What it forgets along with it is where it came from."),
)


def empty_board(rows: Sequence[int]) -> str:
    """The invitation, over some training images (by row)."""
    mosaic = "".join(f'<img src="thumbs/{row}" alt="" width="64" height="64">' for row in rows)
    steps = "".join(
        f"<li><h4>{html.escape(title)}</h4><p>{html.escape(words)}</p></li>" for title, words in INVITATION
    )
    return (
        f'<div class="board board-empty"><div class="mosaic" aria-hidden="true">{mosaic}</div>'
        f'<div class="invitation"><h3>Where did this picture come from?</h3><ol>{steps}</ol></div></div>'
    )


def board(
    chosen: Sequence[Method],
    rankings: Mapping[str, Ranking],
    warnings: Sequence[str] = (),
    waiting: bool = False,
) -> str:
    """The chosen methods' strips, in the order of `chosen`; blank ones for those still at work."""
    strips, ranks = [], ranks_by_id(rankings)
    for method in chosen:
        ranking = rankings.get(method.name)
        if ranking is not None:
            strips.append(_strip(method, ranking, ranks))
        elif waiting:
            strips.append(_blank_strip(method))
    told = [*warnings, *(warning for ranking in rankings.values() for warning in ranking.warnings)]
    return (
        f'<div class="board">{_warnings(tuple(dict.fromkeys(told)))}'
        '<div class="strips" role="group" aria-label="Training images by method">'
        f"{''.join(strips)}</div></div>"
    )


def ranks_by_id(rankings: Mapping[str, Ranking]) -> dict[str, dict[str, int]]:
    """The rank of every shown image under every method that ranked it."""
    shown = {entry.id for ranking in rankings.values() for entry in ranking.entries[:SHOWN]}
    ranks: dict[str, dict[str, int]] = {example_id: {} for example_id in shown}
    for name, ranking in rankings.items():
        for entry in ranking.entries:
            if entry.id in shown:
                ranks[entry.id][name] = entry.rank
    return ranks


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    lines = "".join(f"<li>{html.escape(warning)}</li>" for warning in warnings)
    return f'<ul class="warnings" role="note">{lines}</ul>'


def _strip(method: Method, ranking: Ranking, ranks: Mapping[str, Mapping[str, int]]) -> str:
    figures = figures_of(ranking.entries[:SHOWN])
    cells = "".join(_cell(entry, figures, ranks[entry.id], ranking) for entry in ranking.entries[:SHOWN])
    judged = [ranking.stands_out(entry) for entry in ranking.entries]
    out = "" if all(one is None for one in judged) else f" · {sum(map(bool, judged)):,} stand out"
    seconds = f"{ranking.seconds:.1f} s" if ranking.seconds >= 0.1 else "under 0.1 s"
    settling = "" if ranking.final else " · still settling"
    return _section(method, f"{ranking.candidates} · {seconds}{out}{settling}", figures.unit, cells)


def _blank_strip(method: Method) -> str:
    cell = '<li class="cell-place"><span class="cell blank"><span class="thumb"></span></span></li>'
    return _section(method, "waiting", "", cell * 12)


def _section(method: Method, how: str, unit: str, cells: str) -> str:
    name = html.escape(method.name)
    return (
        f'<section class="strip" data-method="{name}"><header class="strip-head">'
        f'<h3 title="{html.escape(method.description)}"><i class="dot"></i>{html.escape(method.title)}</h3>'
        f'<span class="strip-how">{html.escape(how)}</span>'
        f'<span class="strip-unit">{html.escape(unit)}</span>'
        f'<span class="strip-here" aria-hidden="true"></span></header>'
        f'<ol class="cells">{cells}</ol></section>'
    )


def _cell(entry: Entry, figures: Figures, ranks: Mapping[str, int], ranking: Ranking) -> str:
    score, error = figures.score(entry), figures.error(entry)
    error = f'<span class="stderr">± {error}</span>' if error else ""
    caption = html.escape(entry.caption)
    out = bool(ranking.stands_out(entry))
    verdict = f", stands out (z {entry.z:.1f})" if out else ""
    spoken = html.escape(f"rank {entry.rank}: {entry.caption}, score {figures.both(entry)}{verdict}")
    mark = f'<span class="out" title="Stands out: {STANDS_OUT}">✦</span>' if out else ""
    return (
        f'<li class="cell-place"><button type="button" class="cell" data-id="{html.escape(entry.id)}" '
        f'data-ranks="{html.escape(json.dumps(ranks))}" aria-label="{spoken}" title="{caption}">'
        f'<span class="thumb"><img src="thumbs/{entry.row}" alt="" loading="lazy" width="96" height="96">'
        f'<span class="rank">{entry.rank}</span>{mark}</span>'
        f'<span class="score">{score}{error}</span><span class="caption">{caption}</span>'
        "</button></li>"
    )
