"""Ask every chosen method which training images a picture came from."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import chain, zip_longest
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from numpy import ndarray

from attribution.data.preprocessing import box_in_prepared
from attribution.errors import Cancelled, MissingArtifactError, SettingsError
from attribution.gradients.query_gradient import query_gradient, query_tensors
from attribution.methods.base import Method, method
from attribution.models.losses import example_losses
from attribution.query import Candidates, Query, Settings
from attribution.results import Attribution, Progress, Ranking, Scores, ranked_rows
from attribution.rng import generator
from attribution.workspace.workspace import Workspace

FIRST_ORDER = "first-order"
SHORTLISTING = ("clip", "dino", "clip-text")  # the neighbour lists that a shortlist is dealt from too


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
    settings = settings or Settings()
    chosen = _chosen(workspace, methods, settings)
    for each in chosen:
        for name in each.needs(workspace):
            workspace.artifact(name)  # all that is missing is said before anything is computed
    warnings = query_warnings(workspace, query)
    rankings: dict[str, Ranking] = {}
    for each in chosen:
        started = time.perf_counter()
        if each.slow:
            yield from _promise(each, workspace, query, settings)
        candidates = candidates_for(each, workspace, query, settings)
        for event in each.score(workspace, query, settings, candidates):
            if stop is not None and stop.is_set():
                raise Cancelled("stopped")
            if isinstance(event, Progress):
                yield event
                continue
            seconds = time.perf_counter() - started
            rankings[each.name] = _ranking(each, workspace, event, candidates, seconds)
            yield rankings[each.name]
    yield Attribution(
        describe_query(workspace, query),
        asdict(settings),
        workspace.fingerprints,
        {name: rankings[name] for name in dict.fromkeys(methods) if name in rankings},
        warnings,
    )


def _chosen(workspace: Workspace, names: Sequence[str], settings: Settings) -> list[Method]:
    found = [method(name) for name in dict.fromkeys(names)]
    if settings.effort == "instant":
        slow = [each.name for each in found if each.slow]
        found = [each for each in found if not each.slow]
        if not found:
            raise SettingsError(
                f"effort instant measures nothing, and {', '.join(slow)} measures every image: "
                "choose effort refined"
            )
    if not found:
        raise SettingsError("no method was chosen")
    # Look-ups first, then what computes one gradient, then what measures image after image.
    return sorted(found, key=lambda each: (each.slow, "gradients" in each.needs(workspace)))


def candidates_for(each: Method, workspace: Workspace, query: Query, settings: Settings) -> Candidates:
    """Which images one method ranks: the same ones for all, or all it can in the chosen effort."""
    total = len(workspace.training_set)
    if isinstance(settings.candidates, tuple):
        named = np.unique([workspace.training_set.row_of(name) for name in settings.candidates])
        return Candidates(named, f"{len(named):,} chosen training images")
    if settings.candidates is not None:
        count = min(settings.candidates, total)
        rng = generator(settings.seed, "candidates")  # without a look at the query
        chosen = np.sort(rng.choice(total, size=count, replace=False))
        return Candidates(chosen, f"{count:,} random training images of {total:,}")
    if each.slow and settings.effort != "exhaustive":
        rows = shortlist(workspace, query, settings)
        return Candidates(rows, f"the most promising of {total:,} training images", race=True)
    return Candidates(np.arange(total), f"all {total:,} training images")


def _promise(
    each: Method, workspace: Workspace, query: Query, settings: Settings
) -> Iterator[Progress | Ranking | Attribution]:
    """The query's gradient, which the shortlist will ask for, with its progress."""
    if _has(workspace, FIRST_ORDER):
        for gradient in query_gradient(workspace, query, settings):
            yield Progress(each.name, "computing the gradient", gradient.draws, gradient.total)


def shortlist(workspace: Workspace, query: Query, settings: Settings) -> Int[ndarray, " candidates"]:
    """The most promising training images, best first: by first-order scores, then neighbours in turn.

    Depends on the query, the workspace and the seed alone, never on which methods are shown. Without
    first-order scores it is dealt from the neighbour lists: a boxed query's from its crop's and from
    the whole picture's.

    Raises:
        MissingArtifactError: the workspace has nothing to deal from.
    """
    count = min(settings.shortlist, len(workspace.training_set))
    whole = Query(query.image, query.caption)
    lists = [
        _ordered(method(name), workspace, asked, settings)
        for name in SHORTLISTING
        if _has(workspace, name)
        for asked in ([whole] if query.box is None else [query, whole])
    ]
    if _has(workspace, FIRST_ORDER):
        *_, gradient = query_gradient(workspace, query, settings)  # remembered
        rows = np.arange(len(workspace.training_set))
        scores = workspace.first_order().predict(gradient.mean, gradient.loss, settings.target_rise, rows)
        predicted = rows[ranked_rows(Scores(rows, scores.values), workspace.training_set)]
        # As many by their own promise as all neighbour lists bring together.
        lists = [predicted[k :: max(1, len(lists))] for k in range(max(1, len(lists)))] + lists
    if not lists:
        raise MissingArtifactError(
            "a shortlist is chosen by first-order scores or neighbours and the workspace has neither: run "
            f"`python -m precompute gradients --workspace {workspace.folder}`, or choose effort exhaustive"
        )
    dealt = dict.fromkeys(int(row) for row in chain.from_iterable(zip_longest(*lists)) if row is not None)
    return np.asarray(list(dealt)[:count])


def _has(workspace: Workspace, name: str) -> bool:
    """Whether a method has all it needs here."""
    try:
        for artifact in method(name).needs(workspace):
            workspace.artifact(artifact)
    except MissingArtifactError:
        return False
    return True


def _ordered(
    each: Method, workspace: Workspace, query: Query, settings: Settings
) -> Int[ndarray, " examples"]:
    """All rows as a method ranks them."""
    rows = np.arange(len(workspace.training_set))
    *_, scores = each.score(workspace, query, settings, Candidates(rows, ""))
    assert isinstance(scores, Scores)
    ordered: Int[ndarray, " examples"] = rows[ranked_rows(scores, workspace.training_set)]
    return ordered


def _ranking(
    each: Method, workspace: Workspace, scores: Scores, candidates: Candidates, seconds: float
) -> Ranking:
    words = _words_for(candidates, scores, len(workspace.training_set))
    return Ranking.of(scores, workspace.training_set, each.name, each.title, seconds, words)


def _words_for(candidates: Candidates, scores: Scores, total: int) -> str:
    """What was ranked: of a race, or of a scan that was not finished, what has been measured."""
    if candidates.race:
        again = scores.details.get("measured_again", 0)
        told = f"the {len(scores.rows):,} most promising of {total:,} training images"
        return f"{told}, the best {again:,} measured again" if again else told
    if len(scores.rows) < len(candidates.rows):
        return f"{len(scores.rows):,} so far of {candidates.words}"
    return candidates.words


def describe_query(workspace: Workspace, query: Query) -> dict[str, Any]:
    """The query as it is written into results."""
    snapped = None
    if query.box is not None:
        box = box_in_prepared(query.box, query.image.size)
        snapped = box.snapped(*workspace.model.latent_shape[1:]).as_tuple()
    return {
        "caption": query.caption,
        "box": None if query.box is None else query.box.as_tuple(),
        "snapped_box": snapped,
        "image_sha256": hashlib.sha256(query.image.convert("RGB").tobytes()).hexdigest(),
        "image_size": query.image.size,
    }


def query_warnings(workspace: Workspace, query: Query) -> tuple[str, ...]:
    """What a person should know before believing the answer: words and pictures unlike the training.

    The picture's loss is measured exactly as the training images' are, and compared with theirs.
    """
    warnings = []
    known = set(chain.from_iterable(_words(caption) for caption in workspace.training_set.captions))
    unknown = [word for word in dict.fromkeys(_words(query.caption)) if word not in known]
    if unknown:
        named = ", ".join(repr(word) for word in unknown[:8])
        warnings.append(f"no training caption has {named}: what comes of such words is a guess")
    if workspace.store.has("losses"):
        latent, caption, _ = query_tensors(workspace, query)
        own = float(
            example_losses(
                workspace.model,
                workspace.model.weights,
                latent.cpu(),
                torch.as_tensor(caption),
                ["query"],
                workspace.probe,
            ).mean()
        )
        usual = workspace.losses().mean(axis=(1, 2))
        low, high = float(usual.min()), float(usual.max())
        if not low <= own <= high:
            warnings.append(
                f"this picture is unlike the training images: its loss is {own:.3f}, and theirs lie "
                f"between {low:.3f} and {high:.3f}; what it is traced to may mean little"
            )
    return tuple(warnings)


def _words(caption: str) -> list[str]:
    return re.findall(r"[^\W_]+", caption.lower())
