"""The sets of training images that a test of an answer unlearns, and which of them are there already."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from attribution.analysis.counterfactual import (
    Comparison,
    CounterfactualCheck,
    CounterfactualSettings,
    Outcome,
)
from attribution.analysis.library import matched_rows
from attribution.errors import SettingsError
from attribution.models.base import Generation
from attribution.rng import generator
from attribution.workspace.workspace import Workspace

NamedSet = tuple[str, tuple[int, ...]]  # what it is called while it is unlearned, and its rows


@dataclass(frozen=True)
class Plan:
    """The sets of a check: the first and its controls, then those beside them; what is there already."""

    sets: Sequence[NamedSet]
    beside: Mapping[str, tuple[int, ...]]
    settings: CounterfactualSettings
    generation: Generation | None
    begun: CounterfactualCheck | None

    @property
    def stages(self) -> list[NamedSet]:
        """Every set in its turn, with what it is called while it is unlearned."""
        further = [(f"{len(rows)} to compare with ({name})", rows) for name, rows in self.beside.items()]
        return [*self.sets, *further]

    def with_found(self, check: CounterfactualCheck, found: Sequence[Outcome]) -> CounterfactualCheck:
        """The check with the outcomes of its first so many stages."""
        count = len(self.sets)
        further = [*found[count:], *[None] * len(self.beside)]
        return replace(
            check,
            outcome=found[0] if found else None,
            controls=tuple(found[1:count]),
            compared=tuple(Comparison(*each) for each in zip(self.beside, further, strict=False)),
            final=len(found) == len(self.stages),
        )


def control_sets(
    workspace: Workspace, rows: Sequence[int], settings: CounterfactualSettings
) -> list[tuple[int, ...]]:
    """Random rows, as many as `rows` in each set; no row is in two sets or in `rows`.

    Raises:
        SettingsError: the training set has too few others.
    """
    total, size = len(workspace.training_set), len(rows)
    tested = {int(row) for row in rows}
    shuffled = generator(settings.ascent.seed, "proof controls").permutation(total)
    others = [int(row) for row in shuffled if int(row) not in tested]
    if len(others) < settings.controls * size:
        raise SettingsError(
            f"{settings.controls} controls of {size} images need {settings.controls * size:,} others, and "
            f"there are {len(others):,}: choose fewer images"
        )
    return [tuple(others[k * size : (k + 1) * size]) for k in range(settings.controls)]


def matched_set(
    workspace: Workspace, rows: Sequence[int], settings: CounterfactualSettings
) -> tuple[int, ...]:
    """For each of some rows another with much the same words, none of them a control's.

    Raises:
        SettingsError: the training set has too few others.
    """
    outside = np.ones(len(workspace.training_set), bool)
    for taken in ([int(row) for row in rows], *map(list, control_sets(workspace, rows, settings))):
        outside[taken] = False
    return matched_rows(workspace, rows, outside, settings.ascent.seed)


def taken_over(check: CounterfactualCheck, begun: CounterfactualCheck | None) -> tuple[Outcome, ...]:
    """What an earlier check has found, if it is of the same picture, made and unlearned in the same way."""
    return begun.found if begun is not None and is_same(check, begun) else ()


def is_same(one: CounterfactualCheck, other: CounterfactualCheck) -> bool:
    """Whether two checks are of the same question; one that was kept has lists for tuples."""
    asked = [json.dumps(check.query, sort_keys=True) for check in (one, other)]
    return asked[0] == asked[1] and (one.settings, one.generations) == (other.settings, other.generations)
