"""The records of finished jobs: one small file each, which later work adds to and never repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from evaluation.files import as_text, checked, plain, read_json, write_whole
from evaluation.retraining.job import Job, Plan

FORMAT = 1


@dataclass(frozen=True)
class Record:
    """What one model showed. Lists are over the panel's pictures, in order.

    Attributes:
        job: its description.
        losses: by region, each picture's mean loss over the timesteps for each noise, as in training.
        likeness: by measure, how like the picture made again is to the panel's: `mse` of pixels in [0, 1],
            cosines by encoder. Empty where no pictures were made.
        verdicts: by attribute, how likely the judge finds what the prompt says; and by `said-...`, what it
            finds most likely. Empty without a judge.
        made_with: what changes it by rounding at most, and what it cost.
    """

    format: int
    key: str
    job: dict[str, Any]
    losses: dict[str, list[list[float]]]
    likeness: dict[str, list[float]] = field(default_factory=dict)
    verdicts: dict[str, list[float] | list[str]] = field(default_factory=dict)
    made_with: dict[str, Any] = field(default_factory=dict)

    def noise_losses(self, region: str = "whole") -> Float[ndarray, "pictures noises"]:
        return np.array(self.losses[region])

    def mean_losses(self, region: str = "whole") -> Float[ndarray, " pictures"]:
        found: Float[ndarray, " pictures"] = self.noise_losses(region).mean(axis=1)
        return found


@dataclass(frozen=True)
class Records:
    """A folder of records."""

    folder: Path

    def path(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def has(self, key: str) -> bool:
        return self.path(key).exists()

    def read(self, key: str) -> Record | None:
        """The record of a key; None if there is none.

        Raises:
            ResultError: it is damaged.
        """
        path = self.path(key)
        return checked(Record, read_json(path), path) if path.exists() else None

    def write(self, record: Record, sheet: bytes | None = None) -> None:
        """Keep a record; the sheet of pictures goes first, so that what is recorded is whole."""
        if sheet is not None:
            write_whole(self.folder / f"{record.key}.webp", sheet)
        write_whole(self.path(record.key), as_text(plain(Record, record)))

    def of(self, plan: Plan) -> list[tuple[Job, Record]]:
        """A plan's finished jobs with their records, in its order."""
        found = [(job, self.read(plan.key(job))) for job in plan.jobs]
        return [(job, record) for job, record in found if record is not None]


def stacked(records: Sequence[Record], region: str = "whole") -> Float[ndarray, "records pictures"]:
    """The mean losses of several records."""
    return np.stack([record.mean_losses(region) for record in records])


def cpu_minutes(records: Sequence[Record]) -> float | None:
    """The mean time of training, where it was measured."""
    found = [float(r.made_with["cpu_seconds"]) for r in records if r.made_with.get("cpu_seconds")]
    return float(np.mean(found)) / 60 if found else None
