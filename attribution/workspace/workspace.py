"""A workspace binds one model, one training set and what was precomputed from them.

workspace.json       the sources, the probe, the fingerprints
training_set.json    the hashes of the pictures
manifest.json        the hashes of all of it, see `attribution.workspace.root_manifest`
latents/  losses/  fisher/  embeddings-clip/ ...     artifacts, see `attribution.workspace.artifacts`
"""

from __future__ import annotations

import re
import shlex
import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import torch
from PIL import Image

from attribution.data.index import load_scan
from attribution.data.training_set import TrainingSet
from attribution.encoders.base import Encoder, encoder_reader
from attribution.errors import MismatchError, MissingArtifactError, SettingsError, WorkspaceError
from attribution.models.base import DiffusionModel, at_checkpoint, engine_of, open_model
from attribution.models.batch import BATCH
from attribution.models.draws import Probe
from attribution.models.loss_weights import in_folder
from attribution.models.precision import precision_of
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.cache import REMEMBERED, Cache
from attribution.workspace.config import INDEX, Config, in_words, opened_source, stored_path
from attribution.workspace.root_manifest import RootManifest, checked_bytes, sealing_command
from attribution.workspace.store import Artifact, Store

T = TypeVar("T")


class Workspace:
    """One model, one training set, and their artifacts. Models are loaded when first asked for.

    Args:
        model, encoders, training_set: those that are open already.
        batch_size: draws of one pass through the model, at most: what the device has memory for.
    """

    def __init__(
        self,
        folder: Path,
        config: Config,
        device: str = "cpu",
        model: DiffusionModel | None = None,
        encoders: Mapping[str, Encoder] | None = None,
        training_set: TrainingSet | None = None,
        batch_size: int = BATCH,
    ):
        self.folder, self.config, self.device = folder, config, checked_device(device)
        self.batch_size = batch_size
        self.store = Store(folder)
        self.executor: Any = None  # who else measures training images, an `Executor`; None: no one
        self._model, self._encoders = model, dict(encoders or {})
        self._training_set = training_set
        self._checkpoints: dict[str, DiffusionModel] = {}
        self._artifacts: dict[ArtifactKind[Any], Artifact] = {}
        self._loaded: dict[ArtifactKind[Any], Any] = {}
        self._caches: dict[str, Cache[Any]] = {}
        self._lock = threading.RLock()  # two queries must not load the same model at once

    @classmethod
    def open(cls, folder: Path | str, device: str = "cpu", batch_size: int = BATCH) -> Workspace:
        """Read the configuration and the training set's index; no model is loaded yet.

        Args:
            batch_size: draws of one pass through the model, at most.

        Raises:
            WorkspaceError: the folder is not a workspace, or not the one that its manifest lists.
            TrainingSetError: the training set is gone or has changed.
        """
        folder = Path(folder)
        config = Config.load(folder)
        if RootManifest.load(folder) is None:
            raise WorkspaceError(
                f"{folder} has no manifest: it was made by an older version, or the file is gone. Have "
                f"everything hashed and written down once with `{sealing_command(folder)}`"
            )
        workspace = cls(folder, config, device, batch_size=batch_size)
        workspace.training_set  # noqa: B018  fails here rather than in the middle of a query
        return workspace

    def configure_encoder(self, name: str, source: Path | str | None) -> None:
        """Use another checkpoint for an encoder from now on, or none, and write that down."""
        encoders, fingerprints = dict(self.config.encoders), dict(self.config.fingerprints)
        encoders.pop(name, None)
        fingerprints.pop(name, None)
        self._encoders.pop(name, None)
        self.forget()
        if source is not None:
            self._encoders[name] = encoder_reader(name).open(str(source), self.device)
            encoders[name] = stored_path(self.folder, source)
            fingerprints[name] = self._encoders[name].fingerprint
        self.config = replace(self.config, encoders=encoders, fingerprints=fingerprints)
        self.config.save(self.folder)

    @property
    def fingerprints(self) -> dict[str, str]:
        return dict(self.config.fingerprints)

    @property
    def provenance(self) -> dict[str, str]:
        """The fingerprints, the manifest's, and the engine that measures losses, if the model is open."""
        engine = {} if self._model is None else {"engine": engine_of(self._model)}
        known = RootManifest.load(self.folder)
        manifest = {} if known is None else {"workspace": known.digest}
        return self.fingerprints | manifest | engine

    @property
    def probe(self) -> Probe:
        return self.config.probe

    @property
    def resolution(self) -> int:
        """Pixels of a side of a prepared picture; known without loading the model."""
        return self.config.resolution

    def prepared(self, image: Image.Image) -> Image.Image:
        """What the model sees of a picture: a training image or a query."""
        return self.config.preparation.prepared(image, self.resolution)

    @cached_property
    def training_set(self) -> TrainingSet:
        if self._training_set is not None:
            return self._training_set
        dataset, path = opened_source(self.folder, self.config.dataset), self.folder / INDEX
        found = load_scan(path, dataset, self.config.columns, checked_bytes(path))
        self._must_match("training_set", self.config.preparation.fingerprint(found.fingerprint))
        return found

    @property
    def model(self) -> DiffusionModel:
        """The diffusion model, loaded when first asked for.

        Raises:
            ModelError: it cannot be read.
            MismatchError: it is not the model that the workspace was made for.
        """
        with self._lock:
            if self._model is None:
                model = self.with_layers(self.fingerprints["layers"])
                self._must_match("model", model.fingerprint)
                self._must_match("loss", model.parametrisation.fingerprint)
                self._model = model
            return self._model

    def with_layers(self, layers: str) -> DiffusionModel:
        """The model, opened anew, with the layers of another selector to unlearn in.

        Raises:
            ModelError: it cannot be read, or has no such layers.
        """
        return open_model(
            self.source(self.config.model),
            self.device,
            layers,
            in_folder(self.config.loss_weight, self.folder),
            [self.source(adapter) for adapter in self.config.adapters],
            precision_of(self.fingerprints["dtype"]),
        )

    def checkpoint(self, name: str) -> DiffusionModel:
        """The model with the weights of one of its checkpoints; "" is the model itself.

        Raises:
            MissingArtifactError: the workspace has none of that name.
            ModelError: it cannot be read, or is of another model.
            MismatchError: it has changed since the workspace was made.
        """
        if not name:
            return self.model
        with self._lock:
            if name not in self.config.checkpoints:
                raise self._without(f"model@{name}")
            if name not in self._checkpoints:
                found = at_checkpoint(self.model, self.source(self.config.checkpoints[name]))
                self._must_match(f"model@{name}", found.fingerprint)
                self._checkpoints[name] = found
            return self._checkpoints[name]

    def encoder(self, name: str) -> Encoder:
        """An encoder, loaded when first asked for.

        Raises:
            MissingArtifactError: the workspace has none of that name; says how to give it one.
            MismatchError: the checkpoint has changed since the workspace was made.
        """
        reader = encoder_reader(name)
        with self._lock:
            if name not in self._encoders:
                if reader.checkpoint and name not in self.config.encoders:
                    raise self._without(name)
                stored = self.config.encoders.get(name)
                source = "" if stored is None else self.source(stored)
                encoder = reader.open(source, self.device)
                self._must_match(name, encoder.fingerprint)
                self._encoders[name] = encoder
            return self._encoders[name]

    def _without(self, name: str) -> MissingArtifactError:
        if name.startswith("model@"):
            own = name.removeprefix("model@")
            return MissingArtifactError(
                f"{self.folder} has no checkpoint {own!r}: name it with `python -m precompute init "
                f"--checkpoint {own}=FOLDER --workspace {shlex.quote(str(self.folder))}`"
            )
        if name == "loss":
            return MissingArtifactError(
                f"{self.folder} was made before losses were weighed as in training: bind it anew with "
                f"`python -m precompute init --workspace {shlex.quote(str(self.folder))}`"
            )
        return MissingArtifactError(
            f"{self.folder} has no {name.upper()} encoder: give it one with `python -m precompute "
            f"embeddings --{name} FOLDER_OR_HUB_ID --workspace {shlex.quote(str(self.folder))}`"
        )

    def _must_match(self, key: str, found: str) -> None:
        if found != self.fingerprints.get(key):
            model = " with ".join([self.config.model, *self.config.adapters])
            sources = {
                **self.config.encoders,
                **{f"model@{name}": source for name, source in self.config.checkpoints.items()},
                "model": model,
                "loss": model,
                "training_set": in_words(self.config.dataset),
            }
            raise MismatchError(
                f"the {key.replace('_', ' ')} at {sources.get(key)} has fingerprint {found}, but "
                f"{self.folder} was made for {self.fingerprints.get(key)}: put that one back, or bind the "
                f"workspace to this one with `python -m precompute init --workspace "
                f"{shlex.quote(str(self.folder))}`"
            )

    def stored(self, source: Path | str) -> str:
        """A folder or hub id as given => as the configuration stores it."""
        return stored_path(self.folder, source)

    def source(self, stored: str) -> str:
        """A folder or hub id as the configuration stores it => what can be opened from here."""
        beside = (self.folder / stored).resolve()
        return str(beside) if beside.exists() or stored.startswith("..") else stored

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a latent; the model is opened only if nobody wrote it down."""
        return self.config.latent_shape or self.model.latent_shape

    def expected(self, kind: ArtifactKind[Any]) -> dict[str, str]:
        """Return the fingerprints that an artifact must have.

        Raises:
            MissingArtifactError: it belongs to an encoder or a checkpoint that the workspace has not.
        """
        expected = {}
        for key, ours in kind.fingerprint_keys().items():
            if ours not in self.fingerprints:
                raise self._without(ours)
            expected[key] = self.fingerprints[ours]
        return expected

    def has(self, kind: ArtifactKind[Any]) -> bool:
        """Whether an artifact has been published, for whatever model and data."""
        return self.store.has(kind.folder)

    def artifact(self, kind: ArtifactKind[Any]) -> Artifact:
        """Return a published artifact that was made for this very workspace.

        Raises:
            ArtifactError: missing, made for something else, or damaged; names the mending command.
        """
        with self._lock:
            if kind not in self._artifacts:
                self._artifacts[kind] = self.store.open(kind.folder, self.expected(kind), kind.command)
            return self._artifacts[kind]

    def load(self, kind: ArtifactKind[T]) -> T:
        """Return what the mathematics wants of an artifact: read once.

        Raises:
            ArtifactError: it has not been made, or its parts do not belong together.
        """
        with self._lock:
            if kind not in self._loaded:
                self._loaded[kind] = kind.read(self, self.artifact(kind))
            loaded: T = self._loaded[kind]
            return loaded

    def forget(self) -> None:
        """Read every artifact afresh next time: one has been made again."""
        with self._lock:
            self._artifacts.clear()
            self._loaded.clear()

    def cache(self, name: str, size: int = REMEMBERED) -> Cache[Any]:
        """Return the cache of a name, which lives as long as the workspace."""
        with self._lock:
            return self._caches.setdefault(name, Cache(size))


def checked_device(device: str) -> str:
    """Raises SettingsError for a device that this machine does not have."""
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise SettingsError(f"device {device!r} is not known: use cpu or cuda")
    if device != "cpu" and not torch.cuda.is_available():
        raise SettingsError("no CUDA device was found: use --device cpu")
    if device != "cpu":
        torch.backends.cudnn.allow_tf32 = False  # single precision is that, in its convolutions as well
    return device
