"""Ask every chosen method which training images a picture came from."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, zip_longest
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from numpy import ndarray

from attribution.errors import Cancelled, MissingArtifactError, SettingsError
from attribution.images import box_in_prepared
from attribution.losses import example_losses
from attribution.methods.abu import query_tensors
from attribution.noise import generator
from attribution.query import Query, Settings
from attribution.registry import Method, method
from attribution.results import Attribution, Entry, Progress, Ranking, Scores, ranked_rows
from attribution.workspace import Workspace

SHORTLISTING = ("clip", "dino", "clip-text")  # the neighbour lists that a shortlist is dealt from


@dataclass(frozen=True)
class Candidates:
    """Which training images a method is asked to score, and in words for the person."""

    rows: Int[ndarray, " candidates"]
    words: str


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
    chosen = _chosen(methods, settings)
    for each in chosen:
        for name in each.needs(workspace):
            workspace.artifact(name)  # all that is missing is said before anything is computed
    warnings = query_warnings(workspace, query)
    rankings: dict[str, Ranking] = {}
    for each in chosen:
        started = time.perf_counter()
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


def _chosen(names: Sequence[str], settings: Settings) -> list[Method]:
    found = [method(name) for name in dict.fromkeys(names)]
    if settings.effort == "instant":
        slow = [each.name for each in found if each.slow]
        found = [each for each in found if not each.slow]
        if not found:
            raise SettingsError(
                f"effort instant shows neighbours only, and {', '.join(slow)} measures each image: "
                "choose effort refined"
            )
    if not found:
        raise SettingsError("no method was chosen")
    return sorted(found, key=lambda each: each.slow)


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
    if each.slow and settings.effort != "exhaustive" and settings.shortlist < total:
        rows = shortlist(workspace, query, settings.shortlist)
        return Candidates(rows, f"a shortlist of {len(rows):,} of {total:,} training images")
    return Candidates(np.arange(total), f"all {total:,} training images")


def shortlist(workspace: Workspace, query: Query, count: int) -> Int[ndarray, " candidates"]:
    """The `count` training images nearest to the query, dealt in turn from every neighbour list.

    Depends on the query and the workspace alone, never on which methods are shown. A boxed query
    deals from its crop's neighbours and from the whole picture's.

    Raises:
        MissingArtifactError: the workspace has no neighbour list to deal from.
    """
    whole = Query(query.image, query.caption)
    lists = []
    for name in SHORTLISTING:
        each = method(name)
        try:
            for artifact in each.needs(workspace):
                workspace.artifact(artifact)
        except MissingArtifactError:
            continue
        for asked in [whole] if query.box is None else [query, whole]:
            rows = np.arange(len(workspace.training_set))
            scores = _last(each, workspace, asked, Candidates(rows, ""))
            lists.append(rows[ranked_rows(scores, workspace.training_set.ids)])
    if not lists:
        raise MissingArtifactError(
            "a shortlist is dealt from CLIP or DINO neighbours and the workspace has neither: run "
            f"`python -m precompute embeddings --workspace {workspace.folder}`, or choose effort "
            "exhaustive"
        )
    dealt = dict.fromkeys(int(row) for row in chain.from_iterable(zip_longest(*lists)))
    return np.sort(np.asarray(list(dealt)[:count]))


def _last(each: Method, workspace: Workspace, query: Query, candidates: Candidates) -> Scores:
    *_, scores = each.score(workspace, query, Settings(), candidates)
    assert isinstance(scores, Scores)
    return scores


def _ranking(
    each: Method, workspace: Workspace, scores: Scores, candidates: Candidates, seconds: float
) -> Ranking:
    training_set = workspace.training_set
    entries = []
    for rank, position in enumerate(ranked_rows(scores, training_set.ids), 1):
        example = training_set.examples[scores.rows[position]]
        error = None if scores.stderr is None else float(scores.stderr[position])
        entries.append(
            Entry(
                rank,
                example.id,
                example.row,
                example.file_name,
                example.caption,
                float(scores.values[position]),
                error,
            )
        )
    return Ranking(
        each.name,
        each.title,
        tuple(entries),
        seconds,
        candidates.words,
        scores.details,
        scores.warnings,
    )


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
