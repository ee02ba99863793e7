"""What `workspace.json` holds."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from attribution.data.columns import Columns
from attribution.data.files import dotted, first_problem
from attribution.data.preprocessing import Preparation
from attribution.data.several import Source
from attribution.errors import SettingsError, WorkspaceError
from attribution.models.draws import Probe, timestep_grid
from attribution.models.loss_weights import NONE
from attribution.models.precision import PRECISIONS, SINGLE
from attribution.workspace.root_manifest import checked_bytes, go_on, publish

CONFIG = "workspace.json"
INDEX = "training_set.json"
FORMAT = 1
TIMESTEPS = 10  # of the default probe
POOL = 6
DTYPES = tuple(each.fingerprint for each in PRECISIONS.values())
LOSS_TABLE = "loss_weights.txt"
OF_EVERY_WORKSPACE = ("model", "layers", "training_set", "probe", "dtype", "resolution")  # fingerprints

Count = Annotated[int, Field(ge=1, le=100_000)]
Side = Annotated[int, Field(ge=1, le=16_384)]  # of a picture or a latent


class _Stored(BaseModel):
    """Of JSON: nothing is converted, and no key is passed over."""

    model_config = ConfigDict(strict=True, extra="forbid")


class _StoredProbe(_Stored):
    timesteps: Annotated[tuple[Annotated[int, Field(ge=0, lt=1_000_000)], ...], Field(min_length=1)]
    noises: Count
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    pool: Count

    @model_validator(mode="after")
    def _grid(self) -> _StoredProbe:
        if list(self.timesteps) != sorted(set(self.timesteps)):
            raise ValueError("its timesteps do not ascend")
        return self


class _StoredConfig(_Stored):
    """The fields of `Config`, and the format; one that is added there with a default has it here too."""

    format: Literal[1]
    model: str
    dataset: str | Annotated[dict[str, str], Field(min_length=2)]
    encoders: dict[str, str]
    probe: _StoredProbe
    resolution: Side
    fingerprints: dict[str, str]
    latent_shape: tuple[Side, Side, Side] | None = None
    loss_weight: str = NONE
    checkpoints: dict[str, str] = {}
    columns: Columns = Columns()
    adapters: tuple[str, ...] = ()
    preparation: Preparation = Preparation()

    @model_validator(mode="after")
    def _of_one_piece(self) -> _StoredConfig:
        """What is said twice is said alike."""
        if (dtype := self.fingerprints.get("dtype", SINGLE.fingerprint)) not in DTYPES:
            raise ValueError(f"its dtype is {dtype!r}, which is none of {', '.join(DTYPES)}")
        if missing := [name for name in OF_EVERY_WORKSPACE if name not in self.fingerprints]:
            raise ValueError(f"it has no fingerprint of {missing[0]}")
        twice = {
            "probe": probe_fingerprint(Probe(**self.probe.model_dump())),
            "resolution": str(self.resolution),
        }
        for name, found in twice.items():
            if self.fingerprints[name] != found:
                raise ValueError(
                    f"its {name} is {found!r}, its fingerprint says {self.fingerprints[name]!r}"
                )
        return self


@dataclass(frozen=True)
class Config:
    """What `workspace.json` holds.

    Attributes:
        model: a pipeline folder or hub id.
        dataset: the training set's folder; of several, each one's by its name, in their order.
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
        preparation: of pictures, as in training; written down only where it is not the default.

    Folders are written relative to the workspace where they lie beside it, so that all of them can
    be moved together.
    """

    model: str
    dataset: str | Mapping[str, str]
    encoders: Mapping[str, str]
    probe: Probe
    resolution: int
    fingerprints: Mapping[str, str]
    latent_shape: tuple[int, int, int] | None = None
    loss_weight: str = NONE
    checkpoints: Mapping[str, str] = field(default_factory=dict)
    columns: Columns = field(default_factory=Columns)
    adapters: tuple[str, ...] = ()
    preparation: Preparation = field(default_factory=Preparation)

    def save(self, folder: Path, beside: Mapping[str, bytes] = MappingProxyType({})) -> None:
        """Write it, and what is given to lie beside it: all of it or nothing."""
        data = {"format": FORMAT, **asdict(self)}
        if self.columns == Columns():
            del data["columns"]
        if not self.adapters:
            del data["adapters"]
        if self.preparation == Preparation():
            del data["preparation"]
        own = (json.dumps(data, indent=2) + "\n").encode()
        publish(folder, {**beside, CONFIG: own}, [INDEX, LOSS_TABLE])

    @classmethod
    def load(cls, folder: Path) -> Config:
        """Read a workspace's configuration.

        Raises:
            WorkspaceError: the folder is not a workspace, or it is damaged or not what its manifest says.
        """
        path = folder / CONFIG
        again = (
            "put it back, or remove it and bind the workspace anew with `python -m precompute init --model "
            f"MODEL --dataset DIR --workspace {shlex.quote(str(folder))}`"
        )
        try:
            go_on(folder)
            if (data := checked_bytes(path)) is None:
                raise WorkspaceError(
                    f"{folder} is not a workspace (it has no {CONFIG}): make one with `python -m "
                    f"precompute all --model MODEL --dataset DIR --workspace {shlex.quote(str(folder))}`"
                )
            found = _StoredConfig.model_validate_json(data)
            probe = Probe(**found.probe.model_dump())
            plain = found.model_dump(exclude={"format", "probe", "columns", "preparation"})
            return cls(**plain, probe=probe, columns=found.columns, preparation=found.preparation)
        except ValidationError as problem:
            if any(error["type"] == "literal_error" for error in problem.errors()):  # of the format
                raise WorkspaceError(f"{path} is of another version: {again}") from problem
            raise WorkspaceError(f"{path} is damaged: {first_problem(problem)}: {again}") from problem
        except (OSError, SettingsError) as problem:
            raise WorkspaceError(f"{path} is damaged: {again}") from problem


def default_probe(num_train_timesteps: int) -> Probe:
    return Probe(timestep_grid(num_train_timesteps, TIMESTEPS), pool=POOL)


def checked_probe(probe: Probe) -> Probe:
    """A probe that can be written down and read again.

    Raises:
        SettingsError: one of its numbers is out of range.
    """
    try:
        _StoredProbe.model_validate(asdict(probe))
    except ValidationError as problem:
        words = first_problem(problem, lambda place: f"the probe's {dotted(place)}")
        raise SettingsError(words) from None
    return probe


def probe_fingerprint(probe: Probe) -> str:
    """In words, so that an error that names two of them can be understood."""
    steps = ",".join(map(str, probe.timesteps))
    return f"t={steps} noises={probe.noises} pool={probe.pool} seed={probe.seed}"


def stored_source(folder: Path, dataset: Source) -> str | dict[str, str]:
    """A training set, or several by name, as a workspace in this folder writes them down."""
    if isinstance(dataset, Mapping):
        return {name: stored_path(folder, each) for name, each in dataset.items()}
    return stored_path(folder, dataset)


def opened_source(folder: Path, stored: str | Mapping[str, str]) -> str | dict[str, str]:
    """The inverse: what can be opened from here."""
    if isinstance(stored, Mapping):
        return {name: str((folder / each).resolve()) for name, each in stored.items()}
    return str((folder / stored).resolve())


def in_words(dataset: str | Mapping[str, str]) -> str:
    """A training set, or several, as an error names them."""
    return dataset if isinstance(dataset, str) else " and ".join(dataset.values())


def stored_path(folder: Path, source: Path | str) -> str:
    """A folder as seen from the workspace if it lies beside it, else absolute; a hub id as it is."""
    path = Path(source)
    if not path.exists():
        return str(source)
    path, folder = path.resolve(), folder.resolve()
    if not path.is_relative_to(folder.parent):
        return str(path)
    return Path(os.path.relpath(path, folder)).as_posix()
