"""Rankings written by hand, for tests of what is done with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from attribution.data.training_set import Example, TrainingSet
from attribution.results import Entry, Ranking


def training_set_of(ids: Sequence[str]) -> TrainingSet:
    """Of nothing but ids."""
    return TrainingSet(Path("nowhere"), [_example(row, name) for row, name in enumerate(ids)], "")


def ranking_of(entries: Sequence[Entry], method: str = "clip", **more: Any) -> Ranking:
    """The ranking whose lines are the given ones, in a training set that has no other named images."""
    assert [entry.rank for entry in entries] == list(range(1, len(entries) + 1)), "best first"
    by_row = {entry.row: entry for entry in entries}
    assert len(by_row) == len(entries), "a row is ranked once"
    given = {
        "title": method.upper(),
        "training_set": TrainingSet(Path("nowhere"), _examples(by_row), ""),
        "seconds": 0.1,
        "candidates": "all",
        **more,
    }
    return Ranking(
        method,
        rows=np.array([entry.row for entry in entries], np.int64),
        scores=np.array([entry.score for entry in entries], np.float64),
        stderr=_column([entry.stderr for entry in entries]),
        z=_column([entry.z for entry in entries]),
        **given,
    )


def with_caption(ranking: Ranking, caption: str) -> Ranking:
    """The same in a training set where every image has this caption."""
    known = ranking.training_set
    examples = [replace(example, caption=caption) for example in known.examples]
    return replace(ranking, training_set=TrainingSet(known.folder, examples, known.metadata_sha256))


def _examples(by_row: dict[int, Entry]) -> list[Example]:
    examples = []
    for row in range(max(by_row, default=-1) + 1):
        entry = by_row.get(row)
        if entry is None:
            examples.append(_example(row, f"unnamed-{row}"))
        else:
            examples.append(Example(row, entry.id, entry.file_name, entry.caption, "", {}))
    return examples


def _example(row: int, name: str) -> Example:
    return Example(row, name, f"{name}.png", "", "", {})


def _column(values: Sequence[float | None]) -> np.ndarray | None:
    found = [value for value in values if value is not None]
    assert len(found) in (0, len(values)), "every line has it, or none"
    return np.array(found, np.float64) if found else None
