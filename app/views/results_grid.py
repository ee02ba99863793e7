"""The answer as it is shown: one strip of training images a method, the same rank above the same rank."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from app.frontend.templates import render
from app.runs.selection import MOST, SHOWN, Strip, answered, nothing_stands_out
from app.runs.truth import Truth
from app.views.change_words import capital
from app.views.pictures import data_uri
from app.views.scores import (
    Figures,
    Look,
    better_positions,
    figures_of,
    lines_of,
    positions_of,
    standing_out_words,
)
from attribution.methods.base import Family
from attribution.results import UNSURE, Entry, Ranking

BETTER = 12  # images that are remembered better
CROP = 64  # pixels
STANDS_OUT = "beyond what pictures that have nothing to do with this image would score"


def empty_results_grid(rows: Sequence[int]) -> str:
    """The invitation, over some training images (by row)."""
    return render("results_grid_empty.html", mosaic=rows)


def results_grid(
    shown: Sequence[Strip],
    warnings: Sequence[str] = (),
    waiting: bool = False,
    most: int = SHOWN,
    only_out: bool = False,
    truth: Truth | None = None,
    told: bool = False,
) -> str:
    """The strips one below another; blank ones for those still at work.

    Args:
        most: ranks of each.
        only_out: only images that stand out by a method that can tell.
        truth: the true answer, where it is known.
        told: it is marked.
    """
    out, marked = rows_standing_out(shown), truth if told else None
    look = Look(most, out if only_out else None)
    ranks = ranks_by_id(shown, look)
    rows = [
        _blank(strip) if strip.ranking is None else _answered(strip, strip.ranking, ranks, look, marked)
        for strip in shown
        if strip.ranking is not None or strip.problem or waiting
    ]
    there = answered(shown)
    doubtful = [strip.key for strip in shown if _is_doubtful(strip)]
    said = [*warnings, *(words for _, ranking in there for words in ranking.warnings)]
    return render(
        "results_grid.html",
        rows=rows,
        unsure=[_unsure(*each, ranks, look) for each in there if positions_of(each[1], look)[1]],
        better=[] if only_out else [_better(*each, ranks) for each in there if _has_better(each[1])],
        errors=f"{UNSURE:g}",
        warnings=list(dict.fromkeys(map(capital, said))),
        doubtful=doubtful,
        nothing=_nothing_in_words(shown, doubtful),
        judged=not there or any(ranking.standing_out is not None for _, ranking in there),
        stands_out=STANDS_OUT,
        out=f"{len(out):,}" if len(out) else "",
        only_out=only_out,
        step=SHOWN,
        truth=truth,
        true_ids=marked.images if marked else (),
    )


def rows_standing_out(shown: Sequence[Strip]) -> Int64[ndarray, " n"]:
    """The training images that stand out in one of the rows, or of the parts that they are of."""
    rankings = [*(each for strip in shown for each in strip.part.rankings.values()), *_rankings(shown)]
    out = [each.rows[each.standing_out] for each in rankings if each.standing_out is not None]
    return np.unique(np.concatenate(out)) if out else np.empty(0, np.int64)


def _rankings(shown: Sequence[Strip]) -> list[Ranking]:
    return [ranking for _, ranking in answered(shown)]


def _has_better(ranking: Ranking) -> bool:
    return ranking.final and bool(ranking.remembered_better.any())


def _is_doubtful(strip: Strip) -> bool:
    """Whether a strip speaks of influence where nothing stands out; of likeness it may well speak."""
    return strip.method.family is not Family.LIKENESS and nothing_stands_out(strip)


def _nothing_in_words(shown: Sequence[Strip], doubtful: Sequence[str]) -> str:
    """ "Nothing stands out.", of the parts that it is true of; "" where something does."""
    parts = list(dict.fromkeys(strip.part.title for strip in shown if strip.key in doubtful))
    everywhere = len(parts) == len({strip.part.title for strip in shown})
    if not parts:
        return ""
    return "Nothing stands out." if everywhere else f"Nothing stands out in {' and '.join(parts)}."


def ranks_by_id(shown: Sequence[Strip], look: Look | int = SHOWN) -> dict[str, dict[str, int]]:
    """The rank of every shown image in every strip that has it, by the strips' keys."""
    rankings = {strip.key: ranking for strip, ranking in answered(shown)}
    seen = {
        ranking.training_set.ids[ranking.rows[position]]
        for ranking in rankings.values()
        for positions in (*positions_of(ranking, look), better_positions(ranking, BETTER))
        for position in positions
    }
    return {
        example_id: {
            key: rank
            for key, ranking in rankings.items()
            if (rank := ranking.rank_of(example_id)) is not None
        }
        for example_id in seen
    }


def _answered(
    strip: Strip,
    ranking: Ranking,
    ranks: Mapping[str, Mapping[str, int]],
    look: Look,
    truth: Truth | None,
) -> dict[str, Any]:
    lines = lines_of(ranking, look)
    figures = figures_of(lines.sure, ranking)
    most = max((entry.score + (entry.stderr or 0.0) for entry in lines.sure), default=0.0)
    return {
        **_head(strip),
        "how": _how(ranking, len(lines.unsure)),
        "true": truth.found_by(ranking) if truth else "",
        "unit": figures.unit,
        "cells": [
            {**_cell(entry, figures, ranks[entry.id], ranking), "gauge": _gauge(entry, most)}
            for entry in lines.sure
        ],
        "nothing_sure": bool(lines.unsure) and not lines.sure,
        "none_out": look.rows is not None and not (lines.sure or lines.unsure),
        "more": f"{min(lines.more, SHOWN)} more" if lines.more and look.most < MOST else "",
    }


def _how(ranking: Ranking, unsure: int) -> str:
    facts = [
        ranking.candidates,
        f"{ranking.seconds:.1f} s" if ranking.seconds >= 0.1 else "under 0.1 s",
        standing_out_words(ranking),
        f"{unsure} unsure, below" if unsure else "",
        "" if ranking.final else "still settling",
    ]
    return " · ".join(filter(None, facts))


def _better(strip: Strip, ranking: Ranking, ranks: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """The images that the model remembers better once the picture is unlearned."""
    entries = [ranking.entry(position) for position in better_positions(ranking, BETTER)]
    figures, count = figures_of(entries, ranking), int(ranking.remembered_better.sum())
    return {
        **_head(strip),
        "unit": figures.unit,
        "how": f"the first {BETTER} of {count:,}" if count > BETTER else f"{count:,} of {len(ranking):,}",
        "cells": [{**_cell(entry, figures, ranks[entry.id], ranking), "gauge": None} for entry in entries],
    }


def _unsure(
    strip: Strip, ranking: Ranking, ranks: Mapping[str, Mapping[str, int]], look: Look
) -> dict[str, Any]:
    """The first ranks of a strip that no order can be made of."""
    lines = lines_of(ranking, look)
    figures = figures_of(lines.sure or lines.unsure, ranking)
    return {
        **_head(strip),
        "unit": figures.unit,
        "cells": [
            {**_cell(entry, figures, ranks[entry.id], ranking), "gauge": None, "stands_out": False}
            for entry in lines.unsure
        ],
    }


def _blank(strip: Strip) -> dict[str, Any]:
    how = "no answer" if strip.problem else "waiting"
    return {
        **_head(strip),
        "how": how,
        "unit": "",
        "cells": [],
        "nothing_sure": False,
        "none_out": False,
        "more": "",
    }


def _head(strip: Strip) -> dict[str, Any]:
    name = strip.method.name
    return {
        "method": name,
        "key": strip.key,
        "about": strip.method.description,
        "title": strip.title,
        "problem": capital(strip.problem),
        "crop": _crop(strip),
        "true": "",
        "by": "" if strip.title == strip.method.title else strip.method.title,
    }


def _crop(strip: Strip) -> str:
    """What a strip was asked about."""
    query = strip.part.query
    return data_uri(query.image if query.box is None else query.box.crop(query.image), CROP)


def _cell(entry: Entry, figures: Figures, ranks: Mapping[str, int], ranking: Ranking) -> dict[str, Any]:
    out = bool(ranking.stands_out(entry))
    unsure = not ranking.sure[entry.rank - 1]
    verdict = f", stands out (z {entry.z:.1f})" if out else ""
    doubt = f", less than {UNSURE:g} standard errors from nothing" if unsure else ""
    return {
        "id": entry.id,
        "row": entry.row,
        "rank": entry.rank,
        "ranks": json.dumps(ranks),
        "caption": entry.caption,
        "spoken": f"rank {entry.rank}: {entry.caption}, score {figures.both(entry)}{verdict}{doubt}",
        "score": figures.score(entry),
        "error": figures.error(entry),
        "stands_out": out,
        "unsure": unsure,
    }


def _gauge(entry: Entry, most: float) -> dict[str, str] | None:
    """The score as a bar of what reaches `most`, with its standard error as a line across the end."""
    if most <= 0:
        return None

    def share(value: float) -> str:
        return f"{100 * min(max(value / most, 0.0), 1.0):.1f}%"

    error = entry.stderr or 0.0
    low, high = (share(entry.score - error), share(entry.score + error)) if error else ("", "")
    return {"score": share(entry.score), "low": low, "high": high}
