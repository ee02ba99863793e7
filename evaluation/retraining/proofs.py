"""The page's test of an answer, asked about a panel: does it say what retraining says?

What a method names for a target is unlearned as a set, and what becomes of the target's loss, of the
model's predictions for it and of the picture made again is kept; beside it the same of random sets. Each
set is also held against the panel's controls, which have nothing to do with it: a test that says of them
what it says of the target says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from attribution.analysis.counterfactual import CounterfactualSettings
from attribution.gradients.query_context import QueryContext
from attribution.models.base import Weights
from attribution.models.draws import stratified_draws
from attribution.query import Query, Settings
from attribution.results import returned
from attribution.unlearning.change import loss_change, picture_change
from attribution.unlearning.image_set import unlearned_set
from attribution.workspace.workspace import Workspace
from evaluation.files import as_text, checked, plain, read_json, write_whole
from evaluation.retraining.attributions import Attributions
from evaluation.retraining.panel import CONTROL, TARGET, Panel, PanelPicture, remade
from evaluation.retraining.plans import CHANCE
from evaluation.retraining.unions import random_rows


@dataclass(frozen=True)
class Shown:
    """What unlearning one set showed of one picture; shares of the loss before, and levels of 255.

    Attributes:
        named_for: the target that the set was named for; empty if it is random.
        pixels: None where the picture was not made again.
    """

    picture: str
    rise: float
    rise_stderr: float
    moved: float
    moved_stderr: float
    pixels: float | None
    named_for: str


@dataclass(frozen=True)
class Proof:
    """What unlearning a method's sets showed.

    Attributes:
        k: images of a set.
        shown: of each target its own set, or of chance every set.
        unrelated: of each of the panel's controls every set.
    """

    method: str
    panel: str
    model: str
    k: int
    shown: tuple[Shown, ...]
    unrelated: tuple[Shown, ...]

    def write(self, folder: Path) -> None:
        write_whole(folder / f"{self.method}.json", as_text(plain(Proof, self)))

    @classmethod
    def read(cls, path: Path) -> Proof:
        """One method's file.

        Raises:
            ResultError: it is not there, or damaged.
        """
        return checked(cls, read_json(path), path)


@dataclass(frozen=True)
class Prover:
    """Unlearns sets under one workspace.

    Attributes:
        k: images of a set.
        controls: random sets.
    """

    workspace: Workspace
    panel: Panel
    k: int
    controls: int = 6
    settings: CounterfactualSettings = field(default_factory=CounterfactualSettings)

    def pictures(self, role: str) -> list[PanelPicture]:
        return [self.panel.pictures[row] for row in self.panel.rows(role)]

    def prove(self, found: Attributions, folder: Path) -> Iterator[str]:
        """Unlearn what a method names for each target; yields a line for each. What is there is kept."""
        if (folder / f"{found.method}.json").exists():
            return
        shown, unrelated = [], []
        for picture in self.pictures(TARGET):
            weights = self._without(found.ranking(f"{picture.name}-whole")[: self.k])
            shown.append(self._shown(picture, weights, picture.name))
            unrelated += self._unrelated(weights, picture.name)
            yield f"{found.method}: {picture.name}"
        self._proof(found.method, shown, unrelated).write(folder)

    def prove_chance(self, folder: Path) -> Iterator[str]:
        """Unlearn random sets, each of which is held against every target."""
        if (folder / f"{CHANCE}.json").exists():
            return
        shown, unrelated = [], []
        for draw in range(self.controls):
            rows = random_rows(len(self.workspace.training_set), self.k, draw)
            weights = self._without(rows)
            shown += [self._shown(picture, weights, "") for picture in self.pictures(TARGET)]
            unrelated += self._unrelated(weights, "")
            yield f"{CHANCE}: {draw + 1} of {self.controls}"
        self._proof(CHANCE, shown, unrelated).write(folder)

    def _proof(self, method: str, shown: Sequence[Shown], unrelated: Sequence[Shown]) -> Proof:
        model = self.workspace.fingerprints["model"]
        return Proof(method, self.panel.digest, model, self.k, tuple(shown), tuple(unrelated))

    def _without(self, rows: Sequence[int] | np.ndarray) -> Weights:
        found = returned(unlearned_set(self.workspace, [int(row) for row in rows], self.settings.ascent))
        return found.weights

    def _shown(self, picture: PanelPicture, weights: Weights, named_for: str) -> Shown:
        workspace = self.workspace
        *_, last = workspace.model.generate(self.panel.generation(picture), weights)
        assert last.image is not None
        before = workspace.prepared(remade(workspace.model, self.panel, picture))
        change = picture_change(workspace, before, workspace.prepared(last.image))
        return self._measured(picture, weights, named_for, round(change.inside, 3))

    def _unrelated(self, weights: Weights, named_for: str) -> list[Shown]:
        return [self._measured(each, weights, named_for, None) for each in self.pictures(CONTROL)]

    def _measured(
        self, picture: PanelPicture, weights: Weights, named_for: str, pixels: float | None
    ) -> Shown:
        workspace, image = self.workspace, self.panel.image(picture)
        context = QueryContext(workspace, Query(image, picture.prompt), Settings())
        draws = stratified_draws(
            workspace.model, self.settings.measuring_draws, self.settings.ascent.seed, "proof"
        )
        batch = draws.of(context.latent, context.conditioning)
        loss = loss_change(workspace.model, weights, batch)
        rise, rise_stderr, moved, moved_stderr = (
            round(figure / loss.before, 6)
            for figure in (loss.rise, loss.rise_stderr, loss.moved, loss.moved_stderr)
        )
        return Shown(picture.name, rise, rise_stderr, moved, moved_stderr, pixels, named_for)
