"""Make a workspace, or bind an existing one to another model, training set or encoder."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from attribution.data.columns import Columns
from attribution.data.preprocessing import CENTER, NO_FLIPS, Preparation
from attribution.encoders.base import encoder_readers
from attribution.errors import WorkspaceError
from attribution.models.draws import Probe, timestep_grid
from attribution.models.loss_weights import TABLE, canonical, in_folder, read_table
from attribution.models.precision import PRECISIONS, SINGLE, Precision, precision_of
from attribution.workspace.baseline import flips_of
from attribution.workspace.config import (
    CONFIG,
    POOL,
    TIMESTEPS,
    Config,
    in_words,
    opened_source,
    stored_source,
)
from attribution.workspace.create import create_workspace
from attribution.workspace.workspace import Workspace

NONE = "none"  # given in place of a checkpoint: go without that encoder


@dataclass(frozen=True)
class Sources:
    """What a workspace is to be made from. None: as it is, or the default for a new one.

    Attributes:
        model: pipeline folder or hub id.
        dataset: captioned image folder, or shards that hold the pictures; several of them by name.
        encoders: checkpoint folder, hub id or "none" by encoder name; those not named are as above.
        timesteps: of the probe; must divide the model's number of training timesteps.
        noises: draws at each of them.
        seed: of those draws.
        pool: draws at each timestep whose losses are precomputed; at least `noises`.
        layers: the name of a selector of the layers that are unlearned and differentiated; those of a new
            workspace are the model's own default.
        loss_weight: of each draw's loss in training; what a new model's pipeline says of it.
        checkpoints: folders of further weights of the denoiser (or "none") by name; others are as above.
        image_column, caption_column, captions: see `attribution.data.columns`; those of another dataset
            are the defaults.
        adapters: files or folders of what is put into the model, or "none"; a new model has none.
        crop: how pictures were made square: see `attribution.data.preprocessing`.
        flips: what becomes of mirror images that training showed: see there.
        precision: that the denoiser computes in, by its name in `attribution.models.precision`; a new
            model's is single.
    """

    model: str | None = None
    dataset: str | Mapping[str, str] | None = None
    encoders: Mapping[str, str] = field(default_factory=dict)
    timesteps: int | None = None
    noises: int | None = None
    seed: int | None = None
    pool: int | None = None
    layers: str | None = None
    loss_weight: str | None = None
    checkpoints: Mapping[str, str] = field(default_factory=dict)
    image_column: str | None = None
    caption_column: str | None = None
    captions: str | None = None
    adapters: Sequence[str] | None = None
    crop: str | None = None
    flips: str | None = None
    precision: str | None = None


def bind(
    folder: Path, sources: Sources, device: str, progress: Callable[[int, int], None] | None = None
) -> Workspace:
    """Write the workspace anew. What is not given stays as it is; a new one gets the defaults.

    Raises:
        WorkspaceError: a new one without a model or a dataset.
        WhenceError: a source that cannot be read. Nothing is written then.
    """
    old = Config.load(folder) if (folder / CONFIG).exists() else None
    model, dataset = sources.model, sources.dataset
    if old is not None:
        at = Workspace(folder, old)
        model = model or at.source(old.model)
        dataset = dataset or opened_source(folder, old.dataset)
    if model is None or dataset is None:
        raise WorkspaceError(
            f"{folder} is not a workspace yet: give --model PIPELINE_FOLDER_OR_HUB_ID and --dataset FOLDER"
        )
    encoders = chosen_encoders(folder, sources.encoders, old)
    make_probe = chosen_probe(sources, None if old is None else old.probe)
    layers = sources.layers or (None if old is None else old.fingerprints["layers"])
    weight = sources.loss_weight
    if weight is None and old is not None and sources.model is None:
        weight = in_folder(old.loss_weight, folder)
    checkpoints = _checkpoints(folder, sources.checkpoints, old)
    columns = chosen_columns(folder, sources, old)
    preparation = chosen_preparation(folder, sources, old)
    adapters, precision = chosen_adapters(folder, sources, old), chosen_precision(sources, old)
    optional = [name for name in encoders if name not in sources.encoders and old is None]
    return create_workspace(
        folder, model, dataset, encoders, make_probe, device, progress, layers, weight, checkpoints,
        columns, optional, adapters, preparation, precision,
    )  # fmt: skip


def gone_without(workspace: Workspace, given: Mapping[str, str]) -> str | None:
    """What to say of default encoders that a new workspace could not have; None if it has them all.

    Args:
        given: the encoders that somebody named, whose absence is an error or what was asked for.
    """
    absent = [
        reader
        for name, reader in encoder_readers().items()
        if reader.default is not None and name not in given and name not in workspace.config.encoders
    ]
    if not absent:
        return None
    named = " and ".join(f"{reader.name.upper()} ({reader.default})" for reader in absent)
    flags = " ".join(f"--{reader.name} FOLDER" for reader in absent)
    return (
        f"goes on without {named}, which could not be had here: give it folders at any time with `python "
        f"-m precompute embeddings {flags} --workspace {shlex.quote(str(workspace.folder))}`"
    )


def chosen_columns(folder: Path, sources: Sources, old: Config | None) -> Columns:
    """Those given, else those of an old workspace of the same dataset, else the defaults."""
    kept = old.columns if old is not None and _same_dataset(folder, sources, old) else Columns()
    return Columns(
        sources.image_column or kept.image,
        sources.caption_column or kept.caption,
        sources.captions or kept.captions,
    )


def chosen_adapters(folder: Path, sources: Sources, old: Config | None) -> list[str]:
    """Those given, else those of an old workspace of the same model, else none."""
    if sources.adapters is not None:
        return [source for source in sources.adapters if source != NONE]
    if old is None or sources.model is not None:
        return []
    return [Workspace(folder, old).source(stored) for stored in old.adapters]


def chosen_precision(sources: Sources, old: Config | None) -> Precision:
    """As given, else that of an old workspace of the same model, else single."""
    if sources.precision is not None:
        return PRECISIONS[sources.precision]
    return SINGLE if old is None or sources.model is not None else precision_of(old.fingerprints["dtype"])


def chosen_preparation(folder: Path, sources: Sources, old: Config | None) -> Preparation:
    """As given, else that of an old workspace of the same dataset, else the default."""
    if old is None or not _same_dataset(folder, sources, old):
        return Preparation(sources.crop or CENTER, sources.flips or NO_FLIPS)
    kept = flips_of(Workspace(folder, old))  # what its latents say is lost where they become stale
    return Preparation(sources.crop or old.preparation.crop, sources.flips or kept)


def _same_dataset(folder: Path, sources: Sources, old: Config) -> bool:
    return sources.dataset is None or stored_source(folder, sources.dataset) == old.dataset


def chosen_encoders(folder: Path, given: Mapping[str, str], old: Config | None) -> dict[str, str]:
    """The sources of encoders, by name: those given, else those of an old workspace, else the defaults."""
    chosen = {}
    for reader in encoder_readers().values():
        if not reader.checkpoint:
            continue
        if old is None:
            source = given.get(reader.name, reader.default or NONE)
        else:
            kept = old.encoders.get(reader.name)
            kept = NONE if kept is None else Workspace(folder, old).source(kept)
            source = given.get(reader.name, kept)
        if source != NONE:
            chosen[reader.name] = source
    return chosen


def _checkpoints(folder: Path, given: Mapping[str, str], old: Config | None) -> dict[str, str]:
    kept = {} if old is None else old.checkpoints
    chosen = {
        name: Workspace(folder, old).source(stored) for name, stored in kept.items() if old is not None
    }
    return {name: source for name, source in (chosen | dict(given)).items() if source != NONE}


def chosen_probe(sources: Sources, old: Probe | None) -> Callable[[int], Probe]:
    """What makes the probe from the model's number of timesteps: as given, as it was, or the default."""
    if old is None or sources.timesteps is not None:
        count = TIMESTEPS if sources.timesteps is None else sources.timesteps
        grid = None
    else:
        count, grid = 0, old.timesteps
    noises = sources.noises or (old.noises if old else 2)
    pool = sources.pool or (old.pool if old else POOL)
    seed = sources.seed if sources.seed is not None else (old.seed if old else 0)
    return lambda total: Probe(grid or timestep_grid(total, count), noises, seed, pool)


def open_or_bind(
    folder: Path, sources: Sources, device: str, progress: Callable[[int, int], None] | None = None
) -> Workspace:
    """The workspace as it is if it is already bound to these sources; a new one if there is none.

    Raises:
        WorkspaceError: it is bound to another model, dataset or probe, both named: changing that would
            cost its artifacts, so it takes `init`.
    """
    if not (folder / CONFIG).exists():
        return bind(folder, sources, device, progress)
    workspace = Workspace.open(folder, device)
    config = workspace.config
    for key, asked, bound in (
        ("model", sources.model, config.model),
        ("layers", sources.layers, config.fingerprints["layers"]),
        ("loss-weight", _as_bound(sources.loss_weight, config, folder), config.loss_weight),
        ("image-column", sources.image_column, config.columns.image),
        ("caption-column", sources.caption_column, config.columns.caption),
        ("captions", sources.captions, config.columns.captions),
        ("crop", sources.crop, config.preparation.crop),
        ("flips", sources.flips, config.preparation.flips),
        ("precision", sources.precision, precision_of(config.fingerprints["dtype"]).name),
    ):
        if asked is not None and bound not in (asked, workspace.stored(asked)):
            raise _bound_otherwise(folder, key, bound, asked)
    _check_probe(workspace, sources)
    if sources.dataset is not None:
        _check_dataset(workspace, sources.dataset)
    if sources.adapters is not None:
        _check_adapters(workspace, [source for source in sources.adapters if source != NONE])
    for name, asked in sources.checkpoints.items():
        if workspace.stored(asked) != config.checkpoints.get(name, NONE):
            raise WorkspaceError(
                f"{folder} has {config.checkpoints.get(name, 'nothing')} for its checkpoint {name}, not "
                f"{asked}: bind it anew with `python -m precompute init --workspace {folder} "
                f"--checkpoint {name}={asked}`"
            )
    use_encoders(workspace, sources.encoders)
    return workspace


def _bound_otherwise(folder: Path, key: str, bound: object, asked: object) -> WorkspaceError:
    return WorkspaceError(
        f"{folder} is bound to the {key} {bound}, not {asked}: choose another --workspace, or bind this "
        f"one anew with `python -m precompute init --workspace {folder} --{key} {asked}`"
    )


def _check_probe(workspace: Workspace, sources: Sources) -> None:
    probe = workspace.probe
    pool = sources.pool and max(sources.pool, probe.noises)  # as a probe takes it
    for key, asked, bound in (
        ("timesteps", sources.timesteps, len(probe.timesteps)),
        ("noises", sources.noises, probe.noises),
        ("seed", sources.seed, probe.seed),
        ("pool", pool, probe.pool),
    ):
        if asked is not None and asked != bound:
            raise _bound_otherwise(workspace.folder, key, bound, asked)


def _check_dataset(workspace: Workspace, asked: str | Mapping[str, str]) -> None:
    bound = workspace.config.dataset
    same = stored_source(workspace.folder, asked) == bound
    if not same and asked != bound:  # as it is written down, it is given by those who read it there
        given = [asked] if isinstance(asked, str) else [f"{name}={each}" for name, each in asked.items()]
        flags = " ".join(f"--dataset {shlex.quote(each)}" for each in given)
        raise WorkspaceError(
            f"{workspace.folder} is bound to the dataset {in_words(bound)}, not {in_words(asked)}: choose "
            f"another --workspace, or bind this one anew with `python -m precompute init --workspace "
            f"{workspace.folder} {flags}`"
        )


def _check_adapters(workspace: Workspace, asked: Sequence[str]) -> None:
    bound = workspace.config.adapters
    if tuple(map(workspace.stored, asked)) != bound:
        flags = " ".join(f"--adapter {source}" for source in asked or [NONE])
        raise WorkspaceError(
            f"{workspace.folder} is bound to the adapters {', '.join(bound) or NONE}, not "
            f"{', '.join(asked) or NONE}: choose another --workspace, or bind this one anew with `python "
            f"-m precompute init --workspace {workspace.folder} {flags}`"
        )


def _as_bound(asked: str | None, config: Config, folder: Path) -> str | None:
    """A loss weight as the workspace would name it: a table of the same numbers is the workspace's own."""
    if asked is None:
        return None
    kept = in_folder(config.loss_weight, folder)
    if asked.startswith(TABLE) and kept.startswith(TABLE) and read_table(asked).equal(read_table(kept)):
        return config.loss_weight
    return canonical(asked)


def use_encoders(workspace: Workspace, given: Mapping[str, str]) -> None:
    """Change those encoders of a workspace that are named and differ."""
    for name, source in given.items():
        wanted = None if source == NONE else workspace.stored(source)
        if wanted != workspace.config.encoders.get(name):
            workspace.configure_encoder(name, None if wanted is None else source)
