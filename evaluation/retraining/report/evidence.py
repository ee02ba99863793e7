"""What is committed: plans, panels, records and attributions, brought together for the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from jaxtyping import Float
from numpy import ndarray

from evaluation.retraining.attributions import Attributions, read_all
from evaluation.retraining.job import REFERENCE, Job, Plan
from evaluation.retraining.panel import Panel
from evaluation.retraining.plans import CHANCE
from evaluation.retraining.proofs import Proof
from evaluation.retraining.records import Record, Records

PILOT, ROUNDING = "pilot", "rounding"
REFERENCE_WORKSPACE, SHIPPED_WORKSPACE = "reference", "shipped"
VARIANTS = "variants"
EXHAUSTIVE = "exhaustive"  # under the reference, of methods that are asked refined otherwise
Measured = tuple[Job, Record]
T = TypeVar("T")


@dataclass(frozen=True)
class Series:
    """Plans of one recipe and one panel, with those of their jobs that are recorded.

    A job that stands in several plans is one job; what it is asked for is in its labels.
    """

    recipe: str
    panel: Panel
    jobs: tuple[Measured, ...]
    planned: int

    @property
    def measured(self) -> int:
        """How many different jobs are recorded."""
        return len({record.key for _, record in self.jobs})

    @property
    def made_with(self) -> list[str]:
        """What the models were trained with, such as "cpu (x86_64, torch 2.13.0)"."""
        return sorted({_made_with(record) for _, record in self.jobs})

    def select(self, seed: int | None = None, **labels: object) -> list[Measured]:
        """The jobs with these labels, each once; with a `seed`, those of it alone."""
        found: dict[tuple[object, ...], Measured] = {}
        for job, record in self.jobs:
            if seed in (None, job.seed) and all(job.labels.get(n) == value for n, value in labels.items()):
                found.setdefault((record.key, *sorted(job.labels.items())), (job, record))
        return list(found.values())

    @cached_property
    def references(self) -> dict[int, Record]:
        """What models without anything left out showed, by seed; those with pictures first."""
        found: dict[int, Record] = {}
        for job, record in self.select(kind=REFERENCE):
            if job.seed not in found or record.likeness:
                found[job.seed] = record
        return found

    def rises(self, measured: Measured, region: str = "whole") -> Float[ndarray, " pictures"]:
        """Each picture's loss over that under the reference of the same seed, less 1."""
        job, record = measured
        before = self.references[job.seed].mean_losses(region)
        found: Float[ndarray, " pictures"] = record.mean_losses(region) / before - 1
        return found

    def has_references(self, found: Sequence[Measured]) -> bool:
        """Whether each can be held against a model of its seed that nothing was left out of."""
        return all(job.seed in self.references for job, _ in found)

    def chance(self, k: int, kind: str = "union", seed: int = 0) -> list[Measured]:
        """The random removals of as many images, trained from one seed."""
        return self.select(seed, kind=kind, method=CHANCE, k=k)

    def comparable(self, k: int) -> dict[int, list[Measured]]:
        """The random unions of K by seed, of the seeds whose reference is recorded."""
        seeds = dict.fromkeys(job.seed for job, _ in self.select(kind="union", method=CHANCE, k=k))
        return {seed: self.chance(k, seed=seed) for seed in sorted(seeds) if seed in self.references}

    def values(self, label: str, kind: str) -> list[str | int | float]:
        """The values of a label among the recorded jobs of a kind, in the order of the plans."""
        jobs = [job for job, _ in self.jobs if job.kind == kind]
        return list(dict.fromkeys(job.labels[label] for job in jobs if label in job.labels))


@dataclass(frozen=True)
class Evidence:
    """The folder of everything that is committed."""

    folder: Path

    def once(self, what: Callable[[Evidence], T]) -> T:
        """What a function says of this evidence, computed when it is first asked for."""
        if what not in self._computed:
            self._computed[what] = what(self)
        found: T = self._computed[what]
        return found

    @cached_property
    def _computed(self) -> dict[Callable[[Evidence], Any], Any]:
        return {}

    @property
    def records(self) -> Records:
        return Records(self.folder / "records")

    @cached_property
    def plans(self) -> list[Plan]:
        return [Plan.read(path) for path in sorted((self.folder / "plans").glob("*.json"))]

    def _series(self, plans: list[Plan]) -> Series | None:
        if not plans:
            return None
        jobs = tuple(measured for plan in plans for measured in self.records.of(plan))
        planned = len({plan.key(job) for plan in plans for job in plan.jobs})
        return Series(Path(plans[0].recipe).stem, Panel.read(self._panel(plans[0])), jobs, planned)

    def _panel(self, plan: Plan) -> Path:
        """Where the panel lies; a plan names it from the folder that the fleet is started in."""
        return self.folder / "panels" / Path(plan.panel).name

    @cached_property
    def main(self) -> Series | None:
        """The records of `main_plans`."""
        return self._series(self.main_plans)

    @cached_property
    def main_plans(self) -> list[Plan]:
        """All that is no pilot and asks for nothing again: of the recipe and panel that most plans have."""
        plans = [plan for plan in self.plans if not plan.name.startswith((PILOT, ROUNDING))]
        sources = [(plan.recipe_digest, plan.panel_digest) for plan in plans]
        chosen = max(dict.fromkeys(sources), key=sources.count, default=None)
        return [p for p in plans if (p.recipe_digest, p.panel_digest) == chosen]

    @property
    def rounding_plans(self) -> list[Plan]:
        """What is trained again on another kind of device."""
        return [plan for plan in self.plans if plan.name.startswith(ROUNDING)]

    @cached_property
    def pilots(self) -> list[Series]:
        """One a recipe."""
        plans = [plan for plan in self.plans if plan.name.startswith(PILOT)]
        digests = dict.fromkeys((plan.recipe_digest, plan.panel_digest) for plan in plans)
        found = [
            self._series([p for p in plans if (p.recipe_digest, p.panel_digest) == digest])
            for digest in digests
        ]
        return [series for series in found if series is not None]

    def attributions(self, name: str, panel: Panel) -> Mapping[str, Attributions]:
        """What methods said under a workspace, by method; empty where none was asked about this panel."""
        found = read_all(self.folder / "attributions" / name, panel, strict=False)
        return dict(sorted(found.items()))

    def scores_of_all(self, panel: Panel) -> Mapping[str, Attributions]:
        """What methods say under the reference, of all images wherever it was asked."""
        names = (REFERENCE_WORKSPACE, EXHAUSTIVE)
        return {k: v for name in names for k, v in self.attributions(name, panel).items()}

    def variants(self, panel: Panel) -> Mapping[str, Attributions]:
        """What other ways of scoring say under the reference."""
        return read_all(self.folder / VARIANTS, panel, strict=False)

    def proofs(self, panel: Panel) -> Mapping[str, Proof]:
        """What unlearning the answers about a panel showed, by method."""
        found = [Proof.read(path) for path in sorted((self.folder / "proofs").glob("*.json"))]
        return {proof.method: proof for proof in found if proof.panel == panel.digest}


def made_on(record: Record) -> str:
    """The kind of device that a model was trained on."""
    return str(record.made_with.get("trained_on", record.made_with.get("device")))


def _made_with(record: Record) -> str:
    made = record.made_with
    return f"{made_on(record)} ({made.get('machine')}, torch {made.get('torch')})"
