"""A workspace binds one model, one training set and what was precomputed from them.

workspace.json       the sources, the probe, the fingerprints
training_set.json    the hashes of the pictures
latents/  losses/  fisher/  embeddings-clip/ ...     artifacts, see `attribution.workspace.store`
"""

from __future__ import annotations

import re
import shlex
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from attribution.analysis.significance import Null, null_of, related_captions
from attribution.data import imagefolder
from attribution.data.preprocessing import prepared
from attribution.data.training_set import TrainingSet
from attribution.encoders.base import Encoder, encoder_reader
from attribution.encoders.whitening import Whitening
from attribution.errors import MismatchError, MissingArtifactError, SettingsError
from attribution.gradients.curvature import Curvature, Diagonal, EigenKronecker
from attribution.gradients.linearised import FirstOrder, Sketch
from attribution.models.base import DiffusionModel, open_model
from attribution.models.losses import Probe
from attribution.workspace.config import BOUND_TO, Config, default_probe, probe_fingerprint, stored_path
from attribution.workspace.store import Artifact, Store, mending_command
from attribution.workspace.vector_index import Neighbours, read_index

INDEX = "training_set.json"
WHITENING = "whitening.safetensors"  # beside the index of an encoder whose vectors are whitened
ENCODE_BATCH = 32


class Workspace:
    """One model, one training set, and their artifacts. Models are loaded when first asked for."""

    def __init__(self, folder: Path, config: Config, device: str = "cpu"):
        self.folder, self.config, self.device = folder, config, checked_device(device)
        self.store = Store(folder)
        self._model: DiffusionModel | None = None
        self._encoders: dict[str, Encoder] = {}
        self._artifacts: dict[str, Artifact] = {}
        self._neighbours: dict[str, Neighbours] = {}
        self._whitenings: dict[str, Whitening] = {}
        self._curvatures: dict[str, Callable[[float], Curvature]] = {}
        self._first_order: FirstOrder | None = None
        self._null: Null | None = None
        self._latents: dict[int, Tensor] = {}  # of those encoded on demand
        self._lock = threading.RLock()  # two queries must not load the same model at once

    @classmethod
    def open(cls, folder: Path | str, device: str = "cpu") -> Workspace:
        """Read the configuration and the training set's index; no model is loaded yet.

        Raises:
            WorkspaceError: the folder is not a workspace.
            TrainingSetError: the training set is gone or has changed.
        """
        folder = Path(folder)
        workspace = cls(folder, Config.load(folder), device)
        workspace.training_set  # noqa: B018  fails here rather than in the middle of a query
        return workspace

    @classmethod
    def create(
        cls,
        folder: Path | str,
        model: Path | str,
        dataset: Path | str,
        encoders: Mapping[str, Path | str] | None = None,
        probe: Probe | Callable[[int], Probe] | None = None,
        device: str = "cpu",
        progress: Callable[[int, int], None] | None = None,
    ) -> Workspace:
        """Open model and encoders, hash the training set, write the configuration.

        Args:
            probe: the probe, or what makes it from the model's number of training timesteps.
            progress: `progress(done, total)` after each picture hashed.

        Raises:
            WhenceError: anything that is not what it should be. Nothing is written then.
        """
        folder = Path(folder)
        opened = open_model(str(model), checked_device(device))
        sources = {name: str(source) for name, source in (encoders or {}).items()}
        readers = {name: encoder_reader(name) for name in sources}
        loaded = {name: reader.open(sources[name], device) for name, reader in readers.items()}
        training_set = imagefolder.scan(dataset, progress)
        if not isinstance(probe, Probe):
            probe = (probe or default_probe)(opened.num_train_timesteps)
        fingerprints = {
            "model": opened.fingerprint,
            "training_set": training_set.fingerprint,
            "probe": probe_fingerprint(probe),
            "dtype": "float32",
            "resolution": str(opened.resolution),
            "pixel": encoder_reader("pixel").open("", device).fingerprint,
            **{name: encoder.fingerprint for name, encoder in loaded.items()},
        }
        config = Config(
            stored_path(folder, model),
            stored_path(folder, dataset),
            {name: stored_path(folder, source) for name, source in sources.items()},
            probe,
            opened.resolution,
            fingerprints,
        )
        folder.mkdir(parents=True, exist_ok=True)
        imagefolder.save(training_set, folder / INDEX)
        config.save(folder)
        workspace = cls(folder, config, device)
        workspace._model, workspace._encoders = opened, loaded  # already there: not read twice
        return workspace

    def configure_encoder(self, name: str, source: Path | str | None) -> None:
        """Use another checkpoint for an encoder from now on, or none, and write that down."""
        encoders, fingerprints = dict(self.config.encoders), dict(self.config.fingerprints)
        encoders.pop(name, None)
        fingerprints.pop(name, None)
        self._encoders.pop(name, None)
        self._neighbours.clear()
        self._whitenings.clear()
        self._artifacts.clear()
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
    def probe(self) -> Probe:
        return self.config.probe

    @property
    def resolution(self) -> int:
        """Pixels of a side of a prepared picture; known without loading the model."""
        return self.config.resolution

    @cached_property
    def training_set(self) -> TrainingSet:
        return imagefolder.load(self.folder / INDEX, (self.folder / self.config.dataset).resolve())

    @property
    def model(self) -> DiffusionModel:
        """The diffusion model, loaded when first asked for.

        Raises:
            ModelError: it cannot be read.
            MismatchError: it is not the model that the workspace was made for.
        """
        with self._lock:
            if self._model is None:
                model = open_model(self.source(self.config.model), self.device)
                self._must_match("model", model.fingerprint)
                self._model = model
            return self._model

    def encoder(self, name: str) -> Encoder:
        """An encoder, loaded when first asked for.

        Raises:
            MissingArtifactError: the workspace has none of that name; says how to give it one.
            MismatchError: the checkpoint has changed since the workspace was made.
        """
        reader = encoder_reader(name)
        with self._lock:
            if name not in self._encoders:
                if reader.default is not None and name not in self.config.encoders:
                    raise self._without_encoder(name)
                stored = self.config.encoders.get(name)
                source = "" if stored is None else self.source(stored)
                encoder = reader.open(source, self.device)
                self._must_match(name, encoder.fingerprint)
                self._encoders[name] = encoder
            return self._encoders[name]

    def _without_encoder(self, name: str) -> MissingArtifactError:
        return MissingArtifactError(
            f"{self.folder} has no {name.upper()} encoder: give it one with `python -m precompute "
            f"embeddings --{name} FOLDER_OR_HUB_ID --workspace {shlex.quote(str(self.folder))}`"
        )

    def _must_match(self, key: str, found: str) -> None:
        if found != self.fingerprints.get(key):
            source = self.config.model if key == "model" else self.config.encoders.get(key)
            raise MismatchError(
                f"the {key} at {source} has fingerprint {found}, but {self.folder} was made for "
                f"{self.fingerprints.get(key)}: put that one back, or bind the workspace to this one with "
                f"`python -m precompute init --workspace {shlex.quote(str(self.folder))}`"
            )

    def stored(self, source: Path | str) -> str:
        """A folder or hub id as given => as the configuration stores it."""
        return stored_path(self.folder, source)

    def source(self, stored: str) -> str:
        """A folder or hub id as the configuration stores it => what can be opened from here."""
        beside = (self.folder / stored).resolve()
        return str(beside) if beside.exists() or stored.startswith("..") else stored

    def expected(self, name: str) -> dict[str, str]:
        """The fingerprints that an artifact must have.

        Raises:
            MissingArtifactError: it belongs to an encoder that the workspace does not have.
        """
        for key in BOUND_TO[name]:
            if key not in self.fingerprints:
                raise self._without_encoder(key)
        return {key: self.fingerprints[key] for key in BOUND_TO[name]}

    def artifact(self, name: str) -> Artifact:
        """A published artifact that was made for this very workspace.

        Raises:
            ArtifactError: missing, made for something else, or damaged; names the mending command.
        """
        with self._lock:
            if name not in self._artifacts:
                self._artifacts[name] = self.store.open(name, self.expected(name))
            return self._artifacts[name]

    def forget(self, name: str) -> None:
        """Read an artifact afresh next time: it has been made again."""
        with self._lock:
            self._artifacts.pop(name, None)
            self._neighbours.pop(name, None)
            self._whitenings.pop(name, None)
            self._curvatures.clear()
            self._first_order = None
            self._null = None

    def latents(self, rows: Sequence[int] | Int[ndarray, " n"]) -> Float[Tensor, "n c h w"]:
        """Scaled latents of some training images, on the CPU.

        Read from the artifact if it is there; without one they are encoded now and kept in memory,
        so that a small workspace need not carry them.
        """
        if self.store.has("latents"):
            return torch.from_numpy(np.array(self.artifact("latents").array("latents.npy")[list(rows)]))
        missing = [int(row) for row in rows if int(row) not in self._latents]
        for start in range(0, len(missing), ENCODE_BATCH):
            batch = missing[start : start + ENCODE_BATCH]
            images = [prepared(self.training_set.image(row), self.resolution) for row in batch]
            encoded = self.model.encode_images(images).float().cpu()
            self._latents.update(zip(batch, encoded, strict=True))
        return torch.stack([self._latents[int(row)] for row in rows])

    def losses(self) -> Float[ndarray, "examples timesteps pool"]:
        """The training images' losses under the model as it is, at every noise of the pool."""
        return self.artifact("losses").array("losses.npy")

    def fisher(self) -> dict[str, Tensor]:
        """The diagonal Fisher information of each key and value projection, undamped."""
        return self.artifact("fisher").tensors("fisher.safetensors")

    def bases(self) -> dict[str, Tensor]:
        """The eigenbases of the Kronecker factors."""
        return self.artifact("kfac").tensors("bases.safetensors")

    def curvature(self, kind: str, damping: float) -> Curvature:
        """The Fisher information as its diagonal ("fisher") or as EK-FAC ("ekfac"), damped.

        Raises:
            ArtifactError: it has not been made, or its parts do not belong together.
        """
        with self._lock:
            if kind not in self._curvatures:
                self._curvatures[kind] = self._read_curvature(kind)
        return self._curvatures[kind](damping)

    def _read_curvature(self, kind: str) -> Callable[[float], Curvature]:
        if kind == "fisher":
            return partial(Diagonal, self.fisher())
        artifact = self.artifact("ekfac")
        self._made_from(artifact, "bases", self.artifact("kfac").checksum)
        return partial(EigenKronecker, self.bases(), artifact.tensors("eigenvalues.safetensors"))

    def curvature_checksum(self, kind: str) -> str:
        """What is bound to a curvature is bound to these bytes."""
        return self.artifact(kind).checksum

    def sketch(self, dimensions: int, seed: int) -> Sketch:
        """The random projection of this model's gradients."""
        shapes = {name: (w.shape[0], w.shape[1]) for name, w in self.model.weights.items()}
        return Sketch(dimensions, seed, shapes)

    def first_order(self) -> FirstOrder:
        """What answers first-order queries: read once.

        Raises:
            ArtifactError: it has not been made, or its parts do not belong together.
        """
        with self._lock:
            if self._first_order is None:
                artifact = self.artifact("gradients")
                made = artifact.manifest["settings"]
                self._made_from(artifact, "curvature_checksum", self.curvature_checksum(made["curvature"]))
                self._first_order = FirstOrder(
                    self.curvature(made["curvature"], made["damping"]),
                    self.sketch(made["dimensions"], made["sketch_seed"]),
                    self.neighbours("gradients"),
                    np.array(artifact.array("lengths.npy")),
                )
            return self._first_order

    def gradient_space(self) -> str:
        """What two sketched gradients must have in common to be compared."""
        made = self.artifact("gradients").manifest["settings"]
        return " ".join(f"{key}={made[key]}" for key in sorted(made) if key != "bits")

    def null(self) -> Null:
        """Every training image's scores under control queries: read once.

        Raises:
            ArtifactError: the controls have not been made, or were made with other gradients.
        """
        with self._lock:
            if self._null is None:
                artifact = self.artifact("controls")
                self._made_from(artifact, "space", self.gradient_space())
                stored = artifact.tensors("controls.safetensors")
                queries = stored["vectors"].double().numpy() * stored["units"].numpy()[:, None]
                scores = self.first_order().products(queries)
                captions = self.training_set.captions
                asked = [captions[int(row)] for row in stored["captions"]]
                self._null = null_of(scores, related_captions(captions, asked))
            return self._null

    def _made_from(self, artifact: Artifact, key: str, present: str) -> None:
        found = artifact.manifest["settings"].get(key)
        if found != present:
            raise MismatchError(
                f"{artifact.name} in {self.folder} was made with {key} {found}, but there is {present} "
                f"now: make it again with `{mending_command(artifact.name, self.folder)}`"
            )

    def neighbours(self, name: str) -> Neighbours:
        """The index of an artifact "embeddings-...": read once."""
        with self._lock:
            if name not in self._neighbours:
                self._neighbours[name] = read_index(self.artifact(name), self.training_set.ids)
            return self._neighbours[name]

    def whitening(self, name: str) -> Whitening:
        """What a query goes through before it is compared with the index beside it: read once."""
        with self._lock:
            if name not in self._whitenings:
                self._whitenings[name] = Whitening(**self.artifact(name).tensors(WHITENING))
            return self._whitenings[name]


def checked_device(device: str) -> str:
    """Raises SettingsError for a device that this machine does not have."""
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise SettingsError(f"device {device!r} is not known: use cpu or cuda")
    if device != "cpu" and not torch.cuda.is_available():
        raise SettingsError("no CUDA device was found: use --device cpu")
    return device
