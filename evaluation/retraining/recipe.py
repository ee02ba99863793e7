"""A recipe: the command that trains a model without some images. Anyone's training script may be one.

    name = "my-model"
    version = 1                  # one more where what the command does has changed
    dataset = "pictures"         # the training set, an image folder with metadata.jsonl
    train = ["python", "train.py", "--skip", "{left_out}", "--seed", "{seed}", "--out", "{model}"]
    judge = [...]                # optional: says what pictures show; "{pictures}" => "{verdicts}"
    train_together = ["python", "train.py", "--jobs", "{jobs}", "--at-once", "{at_once}"]   # optional
    encoders = { clip = "...", dino = "..." }    # optional: by which likeness is measured

`{left_out}` is a file of ids, one a line; `{model}` the pipeline folder that the command writes, whole or
not at all; `{checkpoints}` a folder of its own that outlives an interruption. The same arguments must train
the same model. Commands run in the folder that the fleet was started in.

`train_together` trains many on one GPU, each as `train` would, up to rounding: `{jobs}` is a JSON list of
{"left_out": FILE, "seed": S, "model": FOLDER}, of which `{at_once}` are trained at the same time, in order.
"""

from __future__ import annotations

import string
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from attribution.data.scanning import scan
from attribution.data.training_set import TrainingSet
from attribution.errors import SettingsError
from evaluation.files import checked, digest_of

TRAINING = {"python", "left_out", "seed", "model", "checkpoints", "device"}
NEEDED = {"left_out", "seed", "model"}
TOGETHER = {"python", "jobs", "at_once", "device"}
JUDGING = {"python", "pictures", "verdicts"}


@dataclass(frozen=True)
class Recipe:
    """See the module. Paths are relative to the folder that the fleet is started in."""

    name: str
    dataset: Path
    train: tuple[str, ...]
    version: int = 1
    train_together: tuple[str, ...] = ()
    judge: tuple[str, ...] = ()
    encoders: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """The recipe in a TOML file.

        Raises:
            SettingsError: it is not there, no TOML, or a command lacks a placeholder or has an unknown one.
            ResultError: a value is missing or of another kind.
        """
        try:
            recipe = checked(cls, tomllib.loads(path.read_text(encoding="utf-8")), path)
        except FileNotFoundError:
            raise SettingsError(f"there is no recipe {path}") from None
        except tomllib.TOMLDecodeError as problem:
            raise SettingsError(f"{path} is not TOML: {problem}") from None
        if missing := NEEDED - _placeholders(recipe.train):
            names = ", ".join(f"{{{name}}}" for name in sorted(missing))
            raise SettingsError(f"{path}: the command `train` lacks {names}, so it cannot be told")
        for name, command, known in (
            ("train", recipe.train, TRAINING),
            ("train_together", recipe.train_together, TOGETHER),
            ("judge", recipe.judge, JUDGING),
        ):
            if unknown := _placeholders(command) - known:
                raise SettingsError(
                    f"{path}: `{name}` asks for {{{min(unknown)}}}: choose from {', '.join(sorted(known))}"
                )
        return recipe

    @property
    def digest(self) -> str:
        """Of what decides the model: the command `train` and its version, nothing else."""
        return digest_of("recipe", list(self.train), self.version)

    @cached_property
    def training_set(self) -> TrainingSet:
        """What models are trained on; every picture is hashed."""
        return scan(self.dataset)

    def training_command(
        self, left_out: Path, seed: int, model: Path, checkpoints: Path, device: str
    ) -> list[str]:
        """The command that trains one model."""
        values = {"left_out": left_out, "seed": seed, "model": model}
        return _filled(self.train, {**values, "checkpoints": checkpoints, "device": device})

    def together_command(self, jobs: Path, at_once: int, device: str) -> list[str]:
        """The command that trains many models.

        Raises:
            SettingsError: the recipe has none.
        """
        if not self.train_together:
            raise SettingsError(
                f"{self.name} has no `train_together`: add one to the recipe, or leave out --together"
            )
        return _filled(self.train_together, {"jobs": jobs, "at_once": at_once, "device": device})

    def judging_command(self, pictures: Path, verdicts: Path) -> list[str]:
        """The command that judges a folder of pictures; empty where there is no judge."""
        return _filled(self.judge, {"pictures": pictures, "verdicts": verdicts})


def _placeholders(command: Sequence[str]) -> set[str]:
    try:
        return {name for word in command for _, name, _, _ in string.Formatter().parse(word) if name}
    except ValueError as problem:
        raise SettingsError(f"a command's braces do not match ({problem}): write {{{{ for one") from None


def _filled(command: Sequence[str], values: Mapping[str, object]) -> list[str]:
    return [word.format(python=sys.executable, **values) for word in command]
