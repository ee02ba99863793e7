"""Scenes whose objects are known, a workspace of them without a model, and answers made by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from PIL import Image

from attribution.data.training_set import Example
from attribution.models.base import Generation, GenerationStep
from attribution.query import Query
from attribution.results import Attribution, Entry
from evaluation.protocols import protocols
from evaluation.protocols.locality import LEFT, RIGHT
from evaluation.runner import Run
from tests.worlds.rankings import ranking_of

METHODS = ["blind", "seer"]  # answered by the fixture `asked_queries`
LOCALITY = {"prompts": 6, "candidates": 33, "seed": 0, "top_k": 11, "methods": METHODS}
LOCALITY |= {"steps": 2, "guidance": 1.0, "whole": None}


def scene(row: int, caption: str, names: list[str], ground: str) -> Example:
    """A training image that shows the named objects."""
    metadata = {"objects": [{"name": name, "box": [0, 0, 1, 1]} for name in names], "ground": ground}
    return Example(row, f"e{row}", f"e{row}.png", caption, "", metadata)


def fake_workspace() -> Any:
    """33 scenes of one object each, enough for the protocols' bookkeeping, and a model that paints grey."""
    names = ["bus", "apple", "stop sign"]
    phrases = dict(zip(names, ["a bus", "an apple", "a stop sign"], strict=True))
    examples = [scene(i, f"{phrases[n]} on a road", [n], "a road") for i, n in enumerate(names * 11)]
    training_set = SimpleNamespace(
        examples=examples, ids=tuple(e.id for e in examples), captions=tuple(e.caption for e in examples)
    )

    def generate(generation: Generation) -> Iterator[GenerationStep]:
        yield GenerationStep(1, 2)
        yield GenerationStep(2, 2, Image.new("RGB", (8, 8), (generation.seed,) * 3))

    model = SimpleNamespace(fingerprint="m", generate=generate)
    return SimpleNamespace(training_set=training_set, model=model, fingerprints={"model": "m"})


def locality_run(folder: Path, **other: Any) -> Run:
    """A run of the locality protocol on those scenes, begun or gone on with in a folder."""
    return Run.begin(protocols()["locality"], fake_workspace(), {**LOCALITY, **other}, folder)


def boxed_object(query: Query) -> str | None:
    """What the box of a query shows, going by its caption."""
    sides = query.caption.removesuffix(" on a road").split(" and ")
    phrase = {LEFT: sides[0], RIGHT: sides[-1], None: None}[query.box]
    return None if phrase is None else phrase.split(" ", 1)[1]


def attribution_of(rankings: Mapping[str, list[str]]) -> Attribution:
    """An answer in which each method ranks those ids, first to last."""
    return Attribution(
        query={"caption": "a bus on a road", "box": None},
        settings={"seed": 0},
        fingerprints={"model": "m"},
        rankings={
            name: ranking_of(
                [
                    Entry(i, each, i - 1, f"{each}.png", "", -float(i), None)
                    for i, each in enumerate(ids, 1)
                ],
                name,
            )
            for name, ids in rankings.items()
        },
    )
