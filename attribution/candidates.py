"""Which training images a method ranks: all, some at random, or the most promising."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from itertools import chain, zip_longest

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from attribution.errors import MissingArtifactError
from attribution.gradients.query_context import QueryContext
from attribution.methods.base import Cost, Method, discovered
from attribution.query import Candidates
from attribution.results import Progress, Scores, ranked_rows, returned
from attribution.rng import generator

# By method, its final scores for this query of all training images, or of the nearest that its index finds.
Known = dict[str, Scores]


def candidates_for(
    each: Method, context: QueryContext, known: Known | None = None
) -> Generator[Progress, None, Candidates]:
    """Yield progress; return the images that one method ranks.

    They are the same ones for all methods, or all that it can rank in the chosen effort.

    Args:
        known: what has been scored already, so that it need not be scored again; what is scored for a
            shortlist is added to it.
    """
    settings, training_set = context.settings, context.workspace.training_set
    total = len(training_set)
    if isinstance(settings.candidates, tuple):
        named = np.unique([training_set.row_of(name) for name in settings.candidates])
        return Candidates(named, f"{len(named):,} chosen training images")
    if settings.candidates is not None:
        count = min(settings.candidates, total)
        rng = generator(settings.seed, "candidates")  # without a look at the query
        chosen = np.sort(rng.choice(total, size=count, replace=False))
        return Candidates(chosen, f"{count:,} random training images of {total:,}")
    if each.cost is Cost.PER_EXAMPLE and not settings.measures_all:
        rows = yield from shortlist(context, known, each.name)
        return Candidates(rows, f"the most promising of {total:,} training images", race=True)
    return Candidates(np.arange(total), f"all {total:,} training images")


def shortlist(
    context: QueryContext, known: Known | None = None, for_method: str = ""
) -> Generator[Progress, None, Int[ndarray, " candidates"]]:
    """Yield progress; return the most promising training images, best first.

    They are dealt from the rankings of all methods that shortlist and have what they need here. What is
    only looked up is asked about the box and about the whole picture; a ranking by gradients brings in as
    many as all of those together. They depend on the query, the workspace and the settings alone, never on
    which methods are shown.

    Raises:
        MissingArtifactError: the workspace has nothing to deal from.
    """
    looked_up, computed = [], []
    for each in discovered():
        if not each.shortlists or not _has_all(context, each):
            continue
        if each.cost is Cost.LOOKUP:
            asked = [context] if context.query.box is None else [context, context.whole]
            looked_up += [_final(each, one, known if one is context else None) for one in asked]
        else:
            computed.append((yield from _scored(each, context, known, for_method)))
    training_set, shares = context.workspace.training_set, max(1, len(looked_up))
    ordered = [scores.rows[ranked_rows(scores, training_set)] for scores in computed]
    lists = [rows[k::shares] for rows in ordered for k in range(shares)]
    lists += [scores.rows[ranked_rows(scores, training_set)] for scores in looked_up]
    if not lists:
        raise MissingArtifactError(
            "a shortlist is chosen by first-order scores or neighbours and the workspace has neither: run "
            f"`python -m precompute gradients --workspace {context.workspace.folder}`, or choose effort "
            "exhaustive"
        )
    dealt = dict.fromkeys(int(row) for row in chain.from_iterable(zip_longest(*lists)) if row is not None)
    return np.asarray(list(dealt)[: min(context.settings.shortlist, len(training_set))])


def _has_all(context: QueryContext, each: Method) -> bool:
    """Whether a method has all it needs here; what is there but made for something else is an error."""
    try:
        for kind in each.needs(context.workspace):
            context.workspace.artifact(kind)
    except MissingArtifactError:
        return False
    return True


def _scored(
    each: Method, context: QueryContext, known: Known | None, for_method: str
) -> Generator[Progress, None, Scores]:
    """Yield a method's progress in another's name; return its final scores of all it can rank."""
    if known is not None and each.name in known:
        return known[each.name]
    last = None
    for event in each.score(context, Candidates(np.arange(len(context.workspace.training_set)), "")):
        if isinstance(event, Scores):
            last = event
        else:
            yield replace(event, method=for_method)
    assert last is not None, "a method ends with scores"
    if known is not None:
        known[each.name] = last
    return last


def _final(each: Method, context: QueryContext, known: Known | None) -> Scores:
    """Return a method's final scores of all it can rank."""
    return returned(_scored(each, context, known, each.name))
