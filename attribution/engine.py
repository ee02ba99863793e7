"""Ask every chosen method which training images a picture came from."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence

from attribution.analysis.query_check import query_warnings
from attribution.candidates import Known, candidates_for
from attribution.errors import Cancelled, InputError, SettingsError, WhenceError
from attribution.gradients.query_context import QueryContext
from attribution.methods.base import Cost, Method, check_answerable, method
from attribution.query import Candidates, Query, Settings
from attribution.results import APPROXIMATE, Attribution, Progress, Ranking, Scores
from attribution.workspace.inverted_lists import FIRST
from attribution.workspace.workspace import Workspace


def attribute(
    workspace: Workspace,
    query: Query,
    methods: Sequence[str],
    settings: Settings | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Progress | Ranking | Attribution]:
    """Yield progress, each method's ranking as soon as it stands (fast ones first), then the whole.

    Nothing outside the returned values changes, so queries may run at once, be stopped or fail. A method
    that fails has its problem in the answer, and the others' rankings stand.

    Raises:
        Cancelled: `stop` was set; noticed between any two steps.
        InputError, ArtifactError, CalibrationError, NonFiniteError: what was asked makes no sense, or every
            method has failed; see `attribution.errors`.
    """
    context = QueryContext(workspace, query, settings or Settings())
    chosen = _chosen(methods, context.settings)
    for each in chosen:
        context.settings.options_of(each)
    problems = dict(_beforehand(chosen, workspace, query))  # said before anything is computed
    check_any_left(chosen, problems)
    able = [each for each in chosen if each.name not in problems]
    warnings = _warnings(context, measured=any(each.cost is not Cost.LOOKUP for each in able))
    rankings: dict[str, Ranking] = {}
    known: Known = {}
    for each in able:
        failed = yield from _asked(each, context, known, rankings, stop)
        if failed is not None:
            problems[each.name] = failed
    check_any_left(chosen, problems)
    names = list(dict.fromkeys(methods))
    yield Attribution(
        context.described(),
        context.settings.to_json(chosen),
        workspace.provenance,
        {name: rankings[name] for name in names if name in rankings},
        warnings,
        {name: str(problems[name]) for name in names if name in problems},
    )


def check_any_left(chosen: Sequence[Method], problems: Mapping[str, WhenceError]) -> None:
    """Raise what is wrong if every method has a problem; of several kinds of problem, all are told."""
    if any(each.name not in problems for each in chosen):
        return
    told: dict[str, WhenceError] = {}
    for problem in problems.values():
        told.setdefault(str(problem), problem)
    first = next(iter(told.values()))
    raise first if len(told) == 1 else type(first)("; ".join(told))


def check_askable(workspace: Workspace, methods: Sequence[str], settings: Settings) -> None:
    """Raise what keeps all methods from being asked anything in a workspace, whatever the picture.

    Raises:
        SettingsError, ArtifactError: no method measures in this effort, or finds here what it needs.
        TrainingSetError: a candidate is not in the training set.
    """
    chosen = _chosen(methods, settings)
    if isinstance(settings.candidates, tuple):
        for name in settings.candidates:
            workspace.training_set.row_of(name)
    check_any_left(chosen, dict(_beforehand(chosen, workspace, None)))


def _beforehand(
    chosen: Sequence[Method], workspace: Workspace, query: Query | None
) -> Iterator[tuple[str, WhenceError]]:
    """Each method that cannot be asked, and why."""
    for each in chosen:
        try:
            if query is not None:
                check_answerable(each, query)
            for kind in each.needs(workspace):
                workspace.artifact(kind)
        except WhenceError as problem:
            yield each.name, problem


def _warnings(context: QueryContext, measured: bool) -> tuple[str, ...]:
    """What should be known of the query; if that cannot be found out, so much is said of it."""
    try:
        return query_warnings(context, measured)
    except InputError:
        raise
    except WhenceError as problem:
        unmeasured = f"whether this picture is like the training images was not measured: {problem}"
        return (unmeasured, *query_warnings(context, measured=False))


def _asked(
    each: Method,
    context: QueryContext,
    known: Known,
    rankings: dict[str, Ranking],
    stop: threading.Event | None,
) -> Generator[Progress | Ranking, None, WhenceError | None]:
    """Yield what one method finds, its last ranking kept in `rankings`; return why it has none."""
    try:
        for event in _ranked(each, context, known):
            if stop is not None and stop.is_set():
                raise Cancelled("stopped")
            if isinstance(event, Ranking):
                rankings[each.name] = event
            yield event
    except Cancelled:
        raise
    except WhenceError as problem:
        rankings.pop(each.name, None)  # it was still to get better
        return problem
    return None


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
        if event.final and len(candidates.rows) == len(context.workspace.training_set):
            known[each.name] = event
        yield _ranking(each, context.workspace, event, candidates, time.perf_counter() - started)


def _ranking(
    each: Method, workspace: Workspace, scores: Scores, candidates: Candidates, seconds: float
) -> Ranking:
    words = _words_for(candidates, scores, len(workspace.training_set))
    return Ranking.of(scores, workspace.training_set, each.name, each.title, seconds, words)


def _words_for(candidates: Candidates, scores: Scores, total: int) -> str:
    """What was ranked: of a race, or of a scan that was not finished, what has been measured; of a search
    through an index, what it has found.
    """
    if recall := scores.details.get(APPROXIMATE):
        return (
            f"the {len(scores.rows):,} nearest of {total:,} training images by an approximate index, which "
            f"finds {recall['first']:.1%} of the true first {FIRST}"
        )
    if candidates.race:
        again = scores.details.get("measured_again", 0)
        words = f"the {len(scores.rows):,} most promising of {total:,} training images"
        return f"{words}, the best {again:,} measured again" if again else words
    if len(scores.rows) < len(candidates.rows):
        return f"{len(scores.rows):,} so far of {candidates.words}"
    return candidates.words
