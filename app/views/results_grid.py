"""The answer as it is shown: one strip of training images a method, the same rank above the same rank."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence

from app.runs.selection import Strip
from app.views.pictures import data_uri
from app.views.scores import Figures, figures_of
from attribution.results import Entry, Ranking

SHOWN = 24  # ranks a method shows; the exports have them all
CROP = 64  # pixels
UNSURE = 2  # standard errors: a smaller score may be nothing

STANDS_OUT = "beyond what pictures that have nothing to do with this image would score"

HINT = "Point at an image to find it in every row; press it to look closer."

INVITATION = (
    ("Bring a picture", "Write a prompt and let the model paint it, or drop in one that it made."),
    ("Say which part", "Draw a box around what you wonder about, or ask about the whole picture."),
    ("Attribute", "The model unlearns it. What it forgets along with it is where it came from."),
)


def empty_results_grid(rows: Sequence[int]) -> str:
    """The invitation, over some training images (by row)."""
    mosaic = "".join(f'<img src="thumbs/{row}" alt="" width="64" height="64">' for row in rows)
    steps = "".join(
        f"<li><h4>{html.escape(title)}</h4><p>{html.escape(words)}</p></li>" for title, words in INVITATION
    )
    return (
        f'<div class="board board-empty"><div class="mosaic" aria-hidden="true">{mosaic}</div>'
        f'<div class="invitation"><h3>Where did this picture come from?</h3><ol>{steps}</ol></div></div>'
    )


def results_grid(shown: Sequence[Strip], warnings: Sequence[str] = (), waiting: bool = False) -> str:
    """The strips one below another; blank ones for those still at work."""
    ranks = ranks_by_id(shown)
    rows = [
        _blank_strip(strip) if strip.ranking is None else _strip(strip, strip.ranking, ranks)
        for strip in shown
        if strip.ranking is not None or waiting
    ]
    told = [*warnings, *(w for strip in shown if strip.ranking for w in strip.ranking.warnings)]
    alike = " by-part" if len({strip.method.name for strip in shown}) < len(shown) else ""
    return (
        f'<div class="board{alike}">{_note(tuple(dict.fromkeys(told)))}'
        '<div class="strips" role="group" aria-label="Training images, ranked">'
        f"{''.join(rows)}</div></div>"
    )


def ranks_by_id(shown: Sequence[Strip]) -> dict[str, dict[str, int]]:
    """The rank of every shown image in every strip that has it, by the strips' keys."""
    rankings = {strip.key: strip.ranking for strip in shown if strip.ranking is not None}
    seen = {entry.id for ranking in rankings.values() for entry in ranking.entries[:SHOWN]}
    ranks: dict[str, dict[str, int]] = {example_id: {} for example_id in seen}
    for key, ranking in rankings.items():
        for entry in ranking.entries:
            if entry.id in seen:
                ranks[entry.id][key] = entry.rank
    return ranks


def _note(warnings: Sequence[str]) -> str:
    """One line above the strips, always as high, so that nothing jumps when a warning comes."""
    if not warnings:
        return f'<p class="note">{HINT}</p>'
    first, more = html.escape(warnings[0]), len(warnings) - 1
    lines = "".join(f"<li>{html.escape(warning)}</li>" for warning in warnings)
    count = f"<b>and {more} more</b>" if more else ""
    return (
        f'<details class="note warnings" role="note"><summary><span>{first}</span>{count}</summary>'
        f"<ul>{lines}</ul></details>"
    )


def _strip(strip: Strip, ranking: Ranking, ranks: Mapping[str, Mapping[str, int]]) -> str:
    figures = figures_of(ranking.entries[:SHOWN])
    cells = "".join(_cell(entry, figures, ranks[entry.id], ranking) for entry in ranking.entries[:SHOWN])
    judged = [ranking.stands_out(entry) for entry in ranking.entries]
    out = "" if all(one is None for one in judged) else f" · {sum(map(bool, judged)):,} stand out"
    seconds = f"{ranking.seconds:.1f} s" if ranking.seconds >= 0.1 else "under 0.1 s"
    settling = "" if ranking.final else " · still settling"
    return _section(strip, f"{ranking.candidates} · {seconds}{out}{settling}", figures.unit, cells)


def _blank_strip(strip: Strip) -> str:
    cell = '<li class="cell-place"><span class="cell blank"><span class="thumb"></span></span></li>'
    return _section(strip, "waiting", "", cell * 12)


def _section(strip: Strip, how: str, unit: str, cells: str) -> str:
    name, key = html.escape(strip.method.name), html.escape(strip.key)
    about, title = html.escape(strip.method.description), html.escape(strip.title)
    crop = _crop(strip) if name != key else ""
    return (
        f'<section class="strip" data-method="{name}" data-key="{key}"><header class="strip-head">'
        f'<h3 title="{about}"><i class="dot"></i>{crop}{title}</h3>'
        f'<span class="strip-how">{html.escape(how)}</span>'
        f'<span class="strip-unit">{html.escape(unit)}</span>'
        f'<span class="strip-here" aria-hidden="true"></span></header>'
        f'<ol class="cells">{cells}</ol></section>'
    )


def _crop(strip: Strip) -> str:
    """What a part's strip was asked about."""
    query = strip.part.query
    shown = query.image if query.box is None else query.box.crop(query.image)
    return f'<img class="strip-crop" src="{data_uri(shown, CROP)}" alt="">'


def _cell(entry: Entry, figures: Figures, ranks: Mapping[str, int], ranking: Ranking) -> str:
    score, error = figures.score(entry), figures.error(entry)
    error = f'<span class="stderr">± {error}</span>' if error else ""
    caption = html.escape(entry.caption)
    out = bool(ranking.stands_out(entry))
    verdict = f", stands out (z {entry.z:.1f})" if out else ""
    unsure = entry.stderr is not None and abs(entry.score) < UNSURE * entry.stderr
    doubt = f", less than {UNSURE} standard errors from nothing" if unsure else ""
    spoken = html.escape(f"rank {entry.rank}: {entry.caption}, score {figures.both(entry)}{verdict}{doubt}")
    mark = f'<span class="out" title="Stands out: {STANDS_OUT}">✦</span>' if out else ""
    gauge = _gauge(entry, ranking.entries[:SHOWN])
    return (
        f'<li class="cell-place"><button type="button" class="cell" data-id="{html.escape(entry.id)}" '
        f'data-ranks="{html.escape(json.dumps(ranks))}" aria-label="{spoken}" title="{caption}">'
        f'<span class="thumb"><img src="thumbs/{entry.row}" alt="" loading="lazy" width="96" height="96">'
        f'<span class="rank">{entry.rank}</span>{mark}</span>'
        f'{gauge}<span class="score{" unsure" if unsure else ""}">{score}{error}</span>'
        f'<span class="caption">{caption}</span></button></li>'
    )


def _gauge(entry: Entry, shown: Sequence[Entry]) -> str:
    """The score as a bar among those shown, with its standard error as a line across the end."""
    most = max(max(e.score + (e.stderr or 0.0) for e in shown), 0.0)
    if not most:
        return ""

    def share(value: float) -> str:
        return f"{100 * min(max(value / most, 0.0), 1.0):.1f}%"

    error = entry.stderr or 0.0
    whisker = (
        f'<i style="left:{share(entry.score - error)};right:calc(100% - {share(entry.score + error)})"></i>'
        if error
        else ""
    )
    return (
        f'<span class="gauge" aria-hidden="true"><b style="width:{share(entry.score)}"></b>{whisker}</span>'
    )
