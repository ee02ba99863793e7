"""A workspace of the model that AbU publishes for MSCOCO; what it brings is taken as it is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.lib.format import open_memmap
from safetensors.torch import save_file

from attribution.data.columns import FIRST, Columns
from attribution.data.files import folder_whole
from attribution.data.preprocessing import LARGER_SIDE, Preparation
from attribution.errors import SettingsError
from attribution.gradients.stored import FISHER
from attribution.models.draws import Probe
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.baseline import CAPTIONS, latents_kind
from attribution.workspace.create import create_workspace
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import IMPORTED, Chunk, Plan, Writer
from precompute.abu_files import MSCOCO, AbuFiles, Published, write_pipeline
from precompute.binding import Sources, chosen_encoders

SOURCE = "AbU, MSCOCO"
ROWS = 4096  # of latents, written at once


def import_abu(
    folder: Path,
    workspace: Path,
    base: Path,
    dataset: Path,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
    published: Published = MSCOCO,
) -> Iterator[str]:
    """Make a workspace; yields a line for each thing done. It appears when all of it is there.

    Args:
        folder: of the published files.
        base: the pipeline folder whose VAE, tokenizer and text encoder the model was trained with.
        dataset: the folder with COCO's `train2017` and `annotations/captions_train2017.json`.
        progress: called as `progress(done, total)` after each picture hashed.

    Raises:
        SettingsError: the workspace is there already.
        ModelError: a file is missing, damaged, or of another model, base or training set.
        TrainingSetError: the pictures or their captions cannot be read.
    """
    if workspace.exists():
        raise SettingsError(f"{workspace} is there already: name a new folder with --workspace")
    files = AbuFiles(folder)
    with folder_whole(workspace) as part:
        write_pipeline(files, base, part / "model", published)
        yield "the model: a U-Net of the published weights"
        made = _bound(part, dataset, device, progress, published)
        yield f"the training set: {len(made.training_set):,} pictures, in the order of COCO's annotations"
        yield from _published(made, files)


def _bound(
    part: Path,
    dataset: Path,
    device: str,
    progress: Callable[[int, int], None] | None,
    published: Published,
) -> Workspace:
    encoders = chosen_encoders(part, Sources().encoders, None)
    return create_workspace(
        part,
        part / "model",
        dataset,
        encoders,
        Probe(published.timesteps, noises=1, pool=2),
        device,
        progress,
        columns=Columns(captions=FIRST),
        preparation=Preparation(flips=LARGER_SIDE),
        optional=tuple(encoders),
    )


def _published(workspace: Workspace, files: AbuFiles) -> Iterator[str]:
    """Publish what is taken as it is, as artifacts of the workspace."""
    latents, count = files.latents(workspace), len(workspace.training_set)
    for kind, first in ((latents_kind(flipped=False), 0), (latents_kind(flipped=True), count)):
        _publish(workspace, kind, lambda out, first=first: _write_rows(latents, first, count, out))  # type: ignore[misc]
    yield f"latents: of {count:,} pictures, as they are and flipped"
    embeddings = files.embeddings(workspace)
    _publish(workspace, CAPTIONS, lambda out: _link(files.captions, out / "captions.npy"))
    yield f"captions: {embeddings.shape[1]} of each picture, where they lay"
    fisher = files.fisher(workspace.model)
    _publish(workspace, FISHER, lambda out: save_file(fisher, out / "fisher.safetensors"))
    yield f"the Fisher information: of {len(fisher)} layers"


def _publish(workspace: Workspace, kind: ArtifactKind[Any], write: Callable[[Path], None]) -> None:
    made_with = {"device": "elsewhere", "versions": {}}
    plan = Plan(kind.folder, workspace.expected(kind), {IMPORTED: SOURCE}, made_with, chunks=0)

    def assemble(chunks: Iterator[Chunk], out: Path) -> Mapping[str, Any]:
        write(out)
        return {}

    with Writer(workspace.folder, plan) as writer:
        writer.missing()
        writer.publish(assemble)


def _write_rows(latents: Float[np.ndarray, "n c h w"], first: int, count: int, out: Path) -> None:
    """Some rows in single precision, never all of them in memory."""
    written = open_memmap(out / "latents.npy", "w+", np.float32, (count, *latents.shape[1:]))
    for start in range(0, count, ROWS):
        end = min(start + ROWS, count)
        written[start:end] = latents[first + start : first + end]
    written.flush()


def _link(source: Path, target: Path) -> None:
    """The same file under another name: captions are 93 GB. A copy where the disk is another one."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
