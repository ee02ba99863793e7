"""The plans: which models are trained for which question. Each is a pure function of committed files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from attribution.errors import SettingsError
from evaluation.retraining.attributions import Attributions, read_all
from evaluation.retraining.job import REFERENCE, Job, Plan
from evaluation.retraining.left_out import LeftOut
from evaluation.retraining.panel import TARGET, Panel, PanelPicture
from evaluation.retraining.recipe import Recipe
from evaluation.retraining.unions import oracle_ranking, random_rows, union

# What methods are held against, under names that no method has.
ORACLE, ORACLE_ALL, CHANCE = "oracle", "oracle-all", "chance"
YARDSTICKS = (ORACLE, ORACLE_ALL, CHANCE)
SIDES = ("left", "right")


@dataclass(frozen=True)
class Choices:
    """What plans are made from.

    Attributes:
        attributions: the folder of what methods say under the reference; None where no method is needed.
        methods: None for all that are there.
        k: images removed a picture.
        chance: random draws of each size.
        seeds: of references; `repeats` trains unions from all but the first.
        pictures: targets whose images are removed one picture at a time.
        models: random halves; the first `again` of them are trained with a second seed too.
    """

    recipe: Path
    panel: Path
    attributions: Path | None = None
    methods: tuple[str, ...] | None = None
    k: tuple[int, ...] = (50,)
    chance: int = 5
    seeds: int = 3
    pictures: int = 3
    models: int = 48
    again: int = 12


@dataclass(frozen=True)
class Planner:
    """Makes plans of some choices."""

    choices: Choices

    @cached_property
    def _recipe(self) -> Recipe:
        return Recipe.read(self.choices.recipe)

    @cached_property
    def _panel(self) -> Panel:
        return Panel.read(self.choices.panel)

    @cached_property
    def _targets(self) -> list[PanelPicture]:
        return [self._panel.pictures[row] for row in self._panel.rows(TARGET)]

    @cached_property
    def _methods(self) -> Mapping[str, Attributions]:
        """Raises SettingsError where plans need methods and no folder was given."""
        folder = self.choices.attributions
        if folder is None:
            raise SettingsError("this plan removes what methods name: give --attributions NAME")
        found = read_all(folder, self._panel, self.choices.methods)
        if not found:
            raise SettingsError(f"{folder} holds no attributions: run `... retraining attribute` first")
        return found

    def references(self) -> Plan:
        """Models that leave nothing out, of several seeds."""
        return self._plan("references", self._references())

    def pilot(self) -> Plan:
        """References, and per K one union by the oracle and some by chance: what signal a recipe gives.

        Raises:
            SettingsError: it is not known what the panel's pictures show.
        """
        self._check_objects("pilot")
        unions = [self._union(ORACLE, self._oracles(self._targets), k) for k in self.choices.k]
        return self._plan(f"pilot-{self._recipe.name}", [*self._references(), *unions, *self._chances()])

    def union(self) -> Plan:
        """Per K, the union of the targets' first K of each method, of the oracle, and of chance.

        Beside them, once, every scene that shows any of the targets' objects, and as many by chance. Where
        it is not known what pictures show, there is neither this nor an oracle.
        """
        jobs = list(self._chances())
        for k in self.choices.k:
            jobs += self._named(k)
        if not self._panel.knows_objects:
            return self._plan("union", jobs)
        everything = sorted({int(row) for ranking in self._oracles(self._targets) for row in ranking})
        jobs.append(self._job(everything, kind="union", method=ORACLE_ALL, k=0))
        jobs += self._chances_of(len(everything), 0, min(2, self.choices.chance))
        return self._plan("union", jobs)

    def repeats(self) -> Plan:
        """The unions of `union` and what they are held against, from other seeds: is it luck?"""
        jobs = []
        for seed in range(1, self.choices.seeds):
            jobs.append(self._job((), seed=seed, kind=REFERENCE))
            for k in self.choices.k:
                jobs += self._chances_of(k * len(self._targets), k, self.choices.chance, seed=seed)
                jobs += self._named(k, seed)
        return self._plan("repeats", jobs)

    def rounding(self) -> Plan:
        """The reference and unions of the first seed again, their losses alone, for another device.

        Its records stand beside those of `references` and `union`: what differs is rounding.
        """
        jobs = [self._references()[0], *self._chances()]
        for k in self.choices.k:
            jobs += self._named(k)
        return self._plan("rounding", jobs, pictures=False)

    def single(self) -> Plan:
        """The first K of each method for one picture at a time, the oracle's, and chance, for each K."""
        jobs = []
        for k in self.choices.k:
            jobs += self._chances_of(k, k, self.choices.chance, kind="single")
            for picture in self._targets[: self.choices.pictures]:
                rankings = {}
                if self._panel.knows_objects:
                    rankings[ORACLE] = oracle_ranking(picture, self._recipe.training_set)
                for name, each in self._methods.items():
                    rankings[name] = each.ranking(f"{picture.name}-whole")
                for name, ranking in rankings.items():
                    rows = union([ranking], k)
                    jobs.append(self._job(rows, kind="single", method=name, k=k, picture=picture.name))
        return self._plan("single", jobs)

    def boxed(self) -> Plan:
        """The union of the targets' first K asked about one side, for each side; the oracle and chance.

        Raises:
            SettingsError: it is not known what is on the panel's sides.
        """
        self._check_objects("boxed")
        jobs = list(self._chances())
        for k in self.choices.k:
            for side in SIDES:
                jobs.append(self._union(ORACLE, self._oracles(self._targets, side), k, side))
                for name, each in self._methods.items():
                    if f"{self._targets[0].name}-{side}" in each.questions:
                        rankings = [each.ranking(f"{picture.name}-{side}") for picture in self._targets]
                        jobs.append(self._union(name, rankings, k, side))
        return self._plan("boxed", jobs)

    def lds(self) -> Plan:
        """Models on random halves, for the linear datamodeling score (TRAK, section 4); some of two seeds.

        The second seed says how far measured losses can be repeated at all.
        """
        images = len(self._recipe.training_set)
        halves = [random_rows(images, images // 2, draw) for draw in range(self.choices.models)]
        jobs = [self._job(rows, kind="lds", draw=draw) for draw, rows in enumerate(halves)]
        again = enumerate(halves[: self.choices.again])
        jobs += [self._job(rows, seed=1, kind="lds", draw=draw) for draw, rows in again]
        return self._plan("lds", jobs, pictures=False)

    def _check_objects(self, kind: str) -> None:
        if not self._panel.knows_objects:
            raise SettingsError(
                f"a plan {kind} needs to know what pictures show, and {self._panel.folder} was made of "
                "prompts that were given: plan union, repeats, single or lds"
            )

    def _references(self) -> list[Job]:
        return [self._job((), seed=seed, kind=REFERENCE) for seed in range(self.choices.seeds)]

    def _oracles(self, pictures: Sequence[PanelPicture], side: str = "whole") -> list[ndarray]:
        return [oracle_ranking(picture, self._recipe.training_set, side) for picture in pictures]

    def _named(self, k: int, seed: int = 0) -> Iterable[Job]:
        """The union of the targets' first K of the oracle, and of each method."""
        if self._panel.knows_objects:
            yield self._union(ORACLE, self._oracles(self._targets), k, seed=seed)
        for name, each in self._methods.items():
            rankings = [each.ranking(f"{picture.name}-whole") for picture in self._targets]
            yield self._union(name, rankings, k, seed=seed)

    def _union(
        self,
        method: str,
        rankings: Sequence[Int[ndarray, " ranked"]],
        k: int,
        side: str = "",
        seed: int = 0,
    ) -> Job:
        rows = union(rankings, k * len(rankings))
        if side:
            return self._job(rows, kind="boxed", method=method, k=k, side=side)
        return self._job(rows, seed=seed, kind="union", method=method, k=k)

    def _chances(self) -> Iterable[Job]:
        for k in self.choices.k:
            yield from self._chances_of(k * len(self._targets), k, self.choices.chance)

    def _chances_of(self, size: int, k: int, draws: int, kind: str = "union", seed: int = 0) -> list[Job]:
        images = len(self._recipe.training_set)
        return [
            self._job(random_rows(images, size, draw), seed=seed, kind=kind, method=CHANCE, k=k, draw=draw)
            for draw in range(draws)
        ]

    def _job(
        self, rows: Iterable[int] | Int[ndarray, " rows"], *, seed: int = 0, **labels: str | int
    ) -> Job:
        left_out = LeftOut.of(np.fromiter(rows, np.int64), self._recipe.training_set.ids)
        return Job(seed, left_out, labels)

    def _plan(self, name: str, jobs: Sequence[Job], pictures: bool = True) -> Plan:
        """A job that several questions ask for stands in a plan once for each: it is trained once."""
        return Plan.of(name, self.choices.recipe, self.choices.panel, jobs, pictures)


KINDS: dict[str, Callable[[Planner], Plan]] = {
    "pilot": Planner.pilot,
    "references": Planner.references,
    "union": Planner.union,
    "repeats": Planner.repeats,
    "rounding": Planner.rounding,
    "single": Planner.single,
    "lds": Planner.lds,
    "boxed": Planner.boxed,
}
