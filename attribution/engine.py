"""Ask every chosen method which training images a picture came from."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

from attribution.analysis.query_check import query_warnings
from attribution.candidates import Known, candidates_for
from attribution.errors import Cancelled, SettingsError
from attribution.gradients.query_context import QueryContext
from attribution.methods.base import Cost, Method, check_answerable, method
from attribution.query import Candidates, Query, Settings
from attribution.results import Attribution, Progress, Ranking, Scores
from attribution.workspace.workspace import Workspace


def attribute(
    workspace: Workspace,
    query: Query,
    methods: Sequence[str],
    settings: Settings | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Progress | Ranking | Attribution]:
    """Yield progress, each method's ranking as soon as it stands (fast ones first), then the whole.

    Nothing outside the returned values changes, so queries may run at once, be stopped or fail.

    Raises:
        Cancelled: `stop` was set; noticed between any two steps.
        InputError, ArtifactError, CalibrationError, NonFiniteError: see `attribution.errors`.
    """
    context = QueryContext(workspace, query, settings or Settings())
    chosen = _chosen(methods, context.settings)
    for each in chosen:
        context.settings.options_of(each)
        check_answerable(each, query)
        for kind in each.needs(workspace):
            workspace.artifact(kind)  # all that is missing is said before anything is computed
    warnings = query_warnings(context, measured=any(each.cost is not Cost.LOOKUP for each in chosen))
    rankings: dict[str, Ranking] = {}
    known: Known = {}
    for each in chosen:
        for event in _ranked(each, context, known):
            if stop is not None and stop.is_set():
                raise Cancelled("stopped")
            if isinstance(event, Ranking):
                rankings[each.name] = event
            yield event
    yield Attribution(
        context.described(),
        context.settings.to_json(chosen),
        workspace.provenance,
        {name: rankings[name] for name in dict.fromkeys(methods) if name in rankings},
        warnings,
    )


def _chosen(names: Sequence[str], settings: Settings) -> list[Method]:
    """Return the methods to ask, the cheapest first."""
    found = [method(name) for name in dict.fromkeys(names)]
    if settings.effort == "instant":
        slow = [each.name for each in found if each.cost is Cost.PER_EXAMPLE]
        found = [each for each in found if each.cost is not Cost.PER_EXAMPLE]
        if not found:
            raise SettingsError(
                f"effort instant measures nothing, and {', '.join(slow)} measures every image: "
                "choose effort refined"
            )
    if not found:
        raise SettingsError("no method was chosen")
    return sorted(found, key=lambda each: each.cost)


def _ranked(each: Method, context: QueryContext, known: Known) -> Iterator[Progress | Ranking]:
    """Ask one method; what it says of all training images is added to what is known."""
    started = time.perf_counter()
    candidates = yield from candidates_for(each, context, known)
    for event in each.score(context, candidates):
        if isinstance(event, Progress):
            yield event
            continue
        if event.final and len(event.rows) == len(context.workspace.training_set):
            known[each.name] = event
        yield _ranking(each, context.workspace, event, candidates, time.perf_counter() - started)


def _ranking(
    each: Method, workspace: Workspace, scores: Scores, candidates: Candidates, seconds: float
) -> Ranking:
    words = _words_for(candidates, scores, len(workspace.training_set))
    return Ranking.of(scores, workspace.training_set, each.name, each.title, seconds, words)


def _words_for(candidates: Candidates, scores: Scores, total: int) -> str:
    """What was ranked: of a race, or of a scan that was not finished, what has been measured."""
    if candidates.race:
        again = scores.details.get("measured_again", 0)
        words = f"the {len(scores.rows):,} most promising of {total:,} training images"
        return f"{words}, the best {again:,} measured again" if again else words
    if len(scores.rows) < len(candidates.rows):
        return f"{len(scores.rows):,} so far of {candidates.words}"
    return candidates.words
