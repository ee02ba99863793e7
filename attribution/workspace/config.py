"""What `workspace.json` holds."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from attribution.data.columns import Columns
from attribution.errors import SettingsError, WorkspaceError
from attribution.models.draws import Probe, timestep_grid
from attribution.models.loss_weights import NONE

CONFIG = "workspace.json"
FORMAT = 1
TIMESTEPS = 10  # of the default probe
POOL = 6
LOSS_TABLE = "loss_weights.txt"


class _Stored(BaseModel):
    """Of JSON: nothing is converted, and no key is passed over."""

    model_config = ConfigDict(strict=True, extra="forbid")


class _StoredProbe(_Stored):
    timesteps: tuple[int, ...]
    noises: int
    seed: int
    pool: int


class _StoredConfig(_Stored):
    """The fields of `Config`, and the format; one that is added there with a default has it here too."""

    format: Literal[1]
    model: str
    dataset: str
    encoders: dict[str, str]
    probe: _StoredProbe
    resolution: int
    fingerprints: dict[str, str]
    latent_shape: tuple[int, int, int] | None = None
    loss_weight: str = NONE
    checkpoints: dict[str, str] = {}
    columns: Columns = Columns()
    adapters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Config:
    """What `workspace.json` holds.

    Attributes:
        model: a pipeline folder or hub id.
        dataset: the training set's folder.
        encoders: checkpoint folders or hub ids by encoder name.
        probe: at which draws the losses are measured.
        resolution: pixels of a side of a prepared picture.
        fingerprints: of model, layers, loss, training set, probe, dtype, resolution and encoders.
        latent_shape: channels, height and width of a latent, so that a look-up need not open the model;
            None in a workspace that was made before it was written down.
        loss_weight: of each draw's loss in training, by its name in `attribution.models.loss_weights`; a
            table lies in the workspace's folder, under the name `LOSS_TABLE`.
        checkpoints: folders of further weights of the model's denoiser, by name.
        columns: of the training set's metadata; written down only where somebody has named them.
        adapters: files or folders of what is put into the model; written down only where there are any.

    Folders are written relative to the workspace where they lie beside it, so that all of them can
    be moved together.
    """

    model: str
    dataset: str
    encoders: Mapping[str, str]
    probe: Probe
    resolution: int
    fingerprints: Mapping[str, str]
    latent_shape: tuple[int, int, int] | None = None
    loss_weight: str = NONE
    checkpoints: Mapping[str, str] = field(default_factory=dict)
    columns: Columns = field(default_factory=Columns)
    adapters: tuple[str, ...] = ()

    def save(self, folder: Path) -> None:
        data = {"format": FORMAT, **asdict(self)}
        if self.columns == Columns():
            del data["columns"]
        if not self.adapters:
            del data["adapters"]
        part = folder / f"{CONFIG}.part"
        part.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
        part.replace(folder / CONFIG)

    @classmethod
    def load(cls, folder: Path) -> Config:
        """Raises WorkspaceError if the folder is not a workspace."""
        path = folder / CONFIG
        try:
            found = _StoredConfig.model_validate_json(path.read_bytes())
            probe = Probe(**found.probe.model_dump())
            plain = found.model_dump(exclude={"format", "probe", "columns"})
            return cls(**plain, probe=probe, columns=found.columns)
        except (FileNotFoundError, NotADirectoryError):
            raise WorkspaceError(
                f"{folder} is not a workspace (it has no {CONFIG}): make one with `python -m precompute "
                f"all --model MODEL --dataset DIR --workspace {shlex.quote(str(folder))}`"
            ) from None
        except ValidationError as problem:
            other = any(error["type"] == "literal_error" for error in problem.errors())  # of the format
            why = "of another version" if other else "damaged"
            raise WorkspaceError(f"{path} is {why}: run `python -m precompute init` again") from problem
        except (OSError, SettingsError) as problem:
            raise WorkspaceError(f"{path} is damaged: run `python -m precompute init` again") from problem


def default_probe(num_train_timesteps: int) -> Probe:
    return Probe(timestep_grid(num_train_timesteps, TIMESTEPS), pool=POOL)


def probe_fingerprint(probe: Probe) -> str:
    """In words, so that an error that names two of them can be understood."""
    steps = ",".join(map(str, probe.timesteps))
    return f"t={steps} noises={probe.noises} pool={probe.pool} seed={probe.seed}"


def stored_path(folder: Path, source: Path | str) -> str:
    """A folder as seen from the workspace if it lies beside it, else absolute; a hub id as it is."""
    path = Path(source)
    if not path.exists():
        return str(source)
    path, folder = path.resolve(), folder.resolve()
    if not path.is_relative_to(folder.parent):
        return str(path)
    return Path(os.path.relpath(path, folder)).as_posix()
