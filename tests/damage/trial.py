"""Ask a damaged world, and compare what it says with what the whole one said."""

from __future__ import annotations

import hashlib
import os
import shutil
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from attribution.analysis.evidence import evidence_of
from attribution.encoders.base import Encoder
from attribution.engine import attribute
from attribution.errors import WhenceError
from attribution.models.base import DiffusionModel
from attribution.query import Query
from attribution.results import Attribution
from attribution.serialization import to_json
from attribution.workspace.workspace import Workspace
from tests.damage.kinds import damage
from tests.worlds.settings import quick

LOOK_UPS = ("clip", "clip-text", "dino", "pixel", "bm25")
OF_ALL_WEIGHTS = ("trak", "d-trak", "das")  # each reads an artifact of its own name, which no other does
MEASURING = ("abu", "first-order")
SETTINGS = quick({"draws": 2, "calibration_draws": 2}, candidates=4, batch_size=32)
UNMEASURED = "was not measured"  # said of the query itself, in a warning
SHOWN = 3  # images of each ranking, whose pictures are looked at as the page would


class Outcome(Enum):
    """What comes of asking a damaged world."""

    REFUSED = "refused by name"
    SAME = "without effect"
    TOLD = "another workspace, all checksums anew: the answer names it"
    SILENT = "another answer without a word"
    CRASHED = "an error without a name"


BAD = (Outcome.SILENT, Outcome.CRASHED)


@dataclass(frozen=True)
class Opened:
    """What takes time to open, of the whole world; used where the damage is not in it."""

    model: DiffusionModel
    encoders: Mapping[str, Encoder]


@dataclass(frozen=True)
class Trial:
    """One damage, and what came of it."""

    number: int
    words: str
    outcome: Outcome
    said: str


class Trials:
    """Many damages of copies of one world.

    Args:
        world: a folder with `workspace` and what it is of beside it.
        room: where copies are made; on the same disk as nothing else needs to be.
    """

    def __init__(self, world: Path, room: Path):
        self._room, self._whole = room, room / "whole"
        shutil.copytree(world, self._whole)
        workspace = Workspace.open(self._whole / "workspace")
        encoders = {name: workspace.encoder(name) for name in workspace.config.encoders}
        self._opened = Opened(workspace.model, encoders)
        image = workspace.training_set.image(5)
        self._query = Query(image, workspace.training_set.captions[5])
        self._before = cache(partial(self._answer, self._whole, self._opened))

    def run(self, number: int, seed: int = 0) -> Trial:
        """Damage a copy of the world, a function of number and seed, and ask it."""
        copy = self._room / f"damaged-{number}"
        shutil.copytree(self._whole, copy, copy_function=os.link)
        try:
            words, changed = damage(copy, np.random.default_rng([seed, number]))
            outcome, said = self._outcome(copy, asked_about(changed))
        finally:
            shutil.rmtree(copy)
        return Trial(number, words, outcome, said)

    def _outcome(self, copy: Path, methods: tuple[str, ...]) -> tuple[Outcome, str]:
        intact = all(alike(copy / part, self._whole / part) for part in ("model", "encoders"))
        try:
            found = self._answer(copy, self._opened if intact else None, methods)
        except WhenceError as refused:
            return one_line(str(refused))
        except Exception:  # which is what is looked for
            return Outcome.CRASHED, traceback.format_exc()
        return self._compared(found, self._before(methods))

    def _compared(self, found: dict[str, Any], whole: dict[str, Any]) -> tuple[Outcome, str]:
        """Whatever a method could not say was said to be so; what was said is what was said before."""
        problems = dict(found["problems"])
        if unsaid := [each for each in found["warnings"] if UNMEASURED in each]:
            problems[UNMEASURED], found["warnings"] = unsaid[0], whole["warnings"]
        told = " / ".join(dict.fromkeys(problems.values()))
        if "\n" in told:
            return Outcome.CRASHED, told
        assert not whole["problems"], whole["problems"]
        before = {**whole, "problems": found["problems"], "workspace": found["workspace"]}
        before["methods"] = {n: v for n, v in before["methods"].items() if n not in problems}
        if found == before:
            return (Outcome.REFUSED, told) if problems else (Outcome.SAME, "")
        if found["workspace"] != whole["workspace"]:
            return Outcome.TOLD, told
        return Outcome.SILENT, next(str(key) for key in found if found[key] != before[key])

    def _answer(self, world: Path, opened: Opened | None, methods: tuple[str, ...]) -> dict[str, Any]:
        """All that is said in answer to one query, and shown with it."""
        workspace = Workspace.open(world / "workspace")
        if opened is not None:
            workspace = Workspace(
                workspace.folder, workspace.config, "cpu", opened.model, opened.encoders, batch_size=32
            )
        *_, answer = attribute(workspace, self._query, methods, SETTINGS)
        assert isinstance(answer, Attribution)
        told = to_json(answer)
        for method in told["methods"].values():
            method.pop("seconds")
        named = told["fingerprints"].pop("workspace")
        told["fingerprints"].pop("engine", None)  # of a model that could be opened
        rows = {int(row) for ranking in answer.rankings.values() for row in ranking.rows[:SHOWN]}
        shown = {row: workspace.training_set.image(row).tobytes() for row in sorted(rows)}
        examples = [
            (each.id, each.caption, dict(each.metadata)) for each in workspace.training_set.examples
        ]
        return {
            **told, "workspace": named, "problems": dict(answer.problems),
            "evidence": evidence_of(workspace), "examples": examples,
            "pictures": hashlib.sha256(repr(shown).encode()).hexdigest(),
        }  # fmt: skip


def asked_about(changed: Path) -> tuple[str, ...]:
    """The methods that read a file of a world, and those that take no time."""
    artifact = changed.parts[1] if changed.parts[0] == "workspace" else ""
    if artifact.startswith("embeddings-"):
        return LOOK_UPS
    return (artifact, *LOOK_UPS) if artifact in OF_ALL_WEIGHTS else (*MEASURING, *LOOK_UPS)


def one_line(said: str) -> tuple[Outcome, str]:
    """A refusal, if it is one line."""
    return (Outcome.CRASHED if "\n" in said or not said else Outcome.REFUSED), said


def alike(folder: Path, other: Path) -> bool:
    """Whether two folders hold the same files: links to them are the same file."""
    own = {path.relative_to(folder): path.stat().st_ino for path in folder.rglob("*") if path.is_file()}
    return own == {
        path.relative_to(other): path.stat().st_ino for path in other.rglob("*") if path.is_file()
    }
