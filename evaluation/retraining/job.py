"""What is to be trained and measured: a job is a function of its description, a plan a list of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attribution.errors import MismatchError
from evaluation.files import as_text, checked, digest_of, plain, read_json, write_whole
from evaluation.retraining.left_out import LeftOut
from evaluation.retraining.panel import Panel
from evaluation.retraining.recipe import Recipe

REFERENCE = "reference"


@dataclass(frozen=True)
class Job:
    """One model: trained without some images, from a seed.

    Attributes:
        labels: what the job stands for in its plan's report (kind, method, k, draw, ...); they change
            nothing of what is computed.
    """

    seed: int
    left_out: LeftOut
    labels: Mapping[str, str | int | float]

    @property
    def kind(self) -> str:
        return str(self.labels.get("kind", ""))


@dataclass(frozen=True)
class Plan:
    """Jobs of one recipe, measured on one panel. Made again from the same files, it is the same.

    Attributes:
        recipe, panel: where they lie, from the folder that the fleet is started in.
        pictures: whether the panel's pictures are made again, or just their losses measured.
    """

    name: str
    recipe: str
    recipe_digest: str
    panel: str
    panel_digest: str
    training_set: str
    pictures: bool
    jobs: tuple[Job, ...]

    @classmethod
    def of(cls, name: str, recipe: Path, panel: Path, jobs: Sequence[Job], pictures: bool = True) -> Plan:
        """The plan of some jobs."""
        by, on = Recipe.read(recipe), Panel.read(panel)
        fingerprint = by.training_set.fingerprint
        return cls(
            name, recipe.as_posix(), by.digest, panel.as_posix(), on.digest, fingerprint, pictures,
            tuple(jobs),
        )  # fmt: skip

    @classmethod
    def read(cls, path: Path) -> Plan:
        """The plan in a file.

        Raises:
            ResultError: there is none, or it is damaged.
        """
        return checked(cls, read_json(path), path)

    def write(self, path: Path) -> None:
        write_whole(path, as_text(plain(Plan, self)))

    def sources(self) -> tuple[Recipe, Panel]:
        """The recipe and the panel that the plan was made for.

        Raises:
            MismatchError: they have changed since.
        """
        recipe, panel = Recipe.read(Path(self.recipe)), Panel.read(Path(self.panel))
        for what, found, ours in (
            (self.recipe, recipe.digest, self.recipe_digest),
            (self.panel, panel.digest, self.panel_digest),
            (recipe.dataset, recipe.training_set.fingerprint, self.training_set),
        ):
            if found != ours:
                raise MismatchError(
                    f"the plan {self.name} was made for {what} {ours}, which is now {found}: make it anew"
                )
        return recipe, panel

    def training_key(self, job: Job) -> str:
        """Names the model: what is computed before anything is measured."""
        left_out = [job.left_out.sha256, job.left_out.count]
        return digest_of("training", self.recipe_digest, self.training_set, left_out, job.seed)

    def key(self, job: Job) -> str:
        """Names the record."""
        return digest_of("record", self.training_key(job), self.panel_digest, self.pictures)

    def described(self, job: Job) -> dict[str, Any]:
        """All that a record is a function of, as it is written there."""
        return {
            "recipe": Path(self.recipe).stem,
            "recipe_digest": self.recipe_digest,
            "panel": Path(self.panel).name,
            "panel_digest": self.panel_digest,
            "training_set": self.training_set,
            "pictures": self.pictures,
            "seed": job.seed,
            "left_out": plain(LeftOut, job.left_out),
        }
