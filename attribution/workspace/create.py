"""Make a workspace: open everything once, hash the training set, write the configuration."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from attribution.data.columns import Columns
from attribution.data.index import drop_old_tables, scan_bytes
from attribution.data.preprocessing import Preparation
from attribution.data.several import Source, scan_source
from attribution.data.training_set import TrainingSet
from attribution.encoders.base import Encoder, encoder_reader
from attribution.errors import ModelError
from attribution.models.base import DiffusionModel, KnowsCaptions, at_checkpoint, open_model
from attribution.models.draws import Probe
from attribution.models.loss_weights import TABLE, table_bytes
from attribution.models.parametrisation import LossWeight
from attribution.models.precision import SINGLE, Precision
from attribution.workspace.config import (
    INDEX,
    LOSS_TABLE,
    Config,
    checked_probe,
    default_probe,
    probe_fingerprint,
    stored_path,
    stored_source,
)
from attribution.workspace.workspace import Workspace, checked_device


def create_workspace(
    folder: Path | str,
    model: Path | str,
    dataset: Source,
    encoders: Mapping[str, Path | str] | None = None,
    probe: Probe | Callable[[int], Probe] | None = None,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
    layers: str | None = None,
    loss_weight: str | None = None,
    checkpoints: Mapping[str, Path | str] | None = None,
    columns: Columns | None = None,
    optional: Collection[str] = (),
    adapters: Sequence[Path | str] = (),
    preparation: Preparation | None = None,
    precision: Precision = SINGLE,
) -> Workspace:
    """Open model and encoders, hash the training set, write the configuration.

    Args:
        encoders, checkpoints: folders or hub ids, by name: of encoders, of further weights of the denoiser.
        probe: the probe, or what makes it from the model's number of training timesteps.
        progress: called as `progress(done, total)` after each picture hashed.
        layers, loss_weight, adapters, precision: see `open_model`; columns, preparation: their classes.
        optional: names of encoders that are gone without where they cannot be opened.

    Raises:
        WhenceError: anything that is not what it should be. Nothing is written then.
    """
    folder, device = Path(folder), checked_device(device)
    opened = open_model(str(model), device, layers, loss_weight, adapters, precision)
    probe, weight = _probe(probe, opened), opened.parametrisation.weight
    loaded, further = _opened(encoders or {}, device, optional), _named(checkpoints)
    training_set = askable(opened, scan_source(dataset, progress, columns))
    seen = (preparation or Preparation()).fingerprint(training_set.fingerprint)
    config = Config(
        stored_path(folder, model), stored_source(folder, dataset),
        _stored(folder, {name: str((encoders or {})[name]) for name in loaded}),
        probe, opened.resolution, _fingerprints(opened, seen, loaded, probe, device, further, precision),
        opened.latent_shape, f"{TABLE}:{LOSS_TABLE}" if weight.name.startswith(TABLE) else weight.name,
        _stored(folder, further), columns or Columns(),
        tuple(stored_path(folder, adapter) for adapter in adapters), preparation or Preparation(),
    )  # fmt: skip
    _save(folder, config, training_set, weight)
    return Workspace(folder, config, device, opened, loaded)  # already there: not read twice


def askable(model: DiffusionModel, training_set: TrainingSet) -> TrainingSet:
    """The training set; raises CaptionError for a caption that the model cannot be told."""
    if isinstance(model, KnowsCaptions):
        model.check_captions(training_set.captions)
        if training_set.most_captions > 1:
            model.check_captions([other for each in training_set.examples for other in each.others])
    return training_set


def _probe(given: Probe | Callable[[int], Probe] | None, model: DiffusionModel) -> Probe:
    if not isinstance(given, Probe):
        given = (given or default_probe)(model.num_train_timesteps)
    return checked_probe(given)


def _opened(
    sources: Mapping[str, Path | str], device: str, optional: Collection[str]
) -> dict[str, Encoder]:
    """The encoders, by name, without those that may be gone without and cannot be opened."""
    opened = {}
    for name, source in sources.items():
        try:
            opened[name] = encoder_reader(name).open(str(source), device)
        except ModelError:
            if name not in optional:
                raise
    return opened


def _named(sources: Mapping[str, Path | str] | None) -> dict[str, str]:
    return {name: str(source) for name, source in (sources or {}).items()}


def _stored(folder: Path, sources: Mapping[str, str]) -> dict[str, str]:
    """Named sources as a workspace in this folder writes them down."""
    return {name: stored_path(folder, source) for name, source in sources.items()}


def _save(folder: Path, config: Config, training_set: TrainingSet, weight: LossWeight) -> None:
    """The configuration last, since it makes the folder a workspace."""
    folder.mkdir(parents=True, exist_ok=True)
    beside = {INDEX: scan_bytes(training_set, folder / INDEX)}
    if config.loss_weight.startswith(TABLE):
        beside[LOSS_TABLE] = table_bytes(weight)
    config.save(folder, beside)
    drop_old_tables(folder / INDEX)


def _fingerprints(
    model: DiffusionModel,
    training_set: str,
    encoders: Mapping[str, Encoder],
    probe: Probe,
    device: str,
    checkpoints: Mapping[str, str],
    precision: Precision,
) -> dict[str, str]:
    """Of everything that an artifact may be bound to."""
    return {
        "model": model.fingerprint,
        "layers": model.layers,
        "loss": model.parametrisation.fingerprint,
        "training_set": training_set,
        "probe": probe_fingerprint(probe),
        "dtype": precision.fingerprint,
        "resolution": str(model.resolution),
        "pixel": encoder_reader("pixel").open("", device).fingerprint,
        **{name: encoder.fingerprint for name, encoder in encoders.items()},
        **{
            f"model@{name}": at_checkpoint(model, source).fingerprint
            for name, source in checkpoints.items()
        },
    }
