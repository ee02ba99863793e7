"""A workspace's first images as a workspace of their own: every artifact cut, nothing measured again.

What belongs to an image is its rows. What belongs to the training set as a whole (curvature, whitening)
is taken over as it is: it estimates an expectation, and its size does not depend on how many images it
was estimated from. Control queries are kept where the image whose caption they ask is.

For timing: the answers of such a workspace are those of its own images under the whole set's curvature.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from attribution.analysis.significance import CONTROLS
from attribution.data.index import save_scan
from attribution.data.metadata import METADATA
from attribution.data.training_set import TrainingSet
from attribution.gradients.stored import ALLOTMENT, EKFAC, FISHER, KFAC
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.config import INDEX, LOSS_TABLE, stored_path
from attribution.workspace.store import Artifact
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Plan, Writer
from precompute.jobs.base import jobs_of

CURVATURE = (FISHER, KFAC, EKFAC)


def cut(whole: Workspace, count: int, folder: Path) -> Workspace:
    """The first `count` images of a workspace and their artifacts; what is there already is kept."""
    scenes, home = folder / "scenes", folder / "workspace"
    metadata_sha256 = _cut_pictures(whole.training_set, count, scenes)
    training_set = TrainingSet(scenes, whole.training_set.examples[:count], metadata_sha256)
    home.mkdir(parents=True, exist_ok=True)
    save_scan(training_set, home / INDEX)
    config = whole.config
    if (table := whole.folder / LOSS_TABLE).exists():
        shutil.copy2(table, home / LOSS_TABLE)
    replace(
        config,
        model=stored_path(home, whole.source(config.model)),
        dataset=stored_path(home, scenes),
        encoders={
            name: stored_path(home, whole.source(stored)) for name, stored in config.encoders.items()
        },
        checkpoints={
            name: stored_path(home, whole.source(stored)) for name, stored in config.checkpoints.items()
        },
        fingerprints={
            **config.fingerprints,
            "training_set": config.preparation.fingerprint(training_set.fingerprint),
        },
    ).save(home)
    made = Workspace.open(home, whole.device)
    for kind in (job.kind for job in jobs_of("all")):
        if kind != ALLOTMENT and whole.has(kind):  # which only jobs read
            adopt(made, kind, whole.artifact(kind), count)
    return made


def _sources(whole: Workspace, home: Path, stored: Mapping[str, str]) -> dict[str, str]:
    """Named folders as another workspace stores them => as the one at `home` does."""
    return {name: stored_path(home, whole.source(source)) for name, source in stored.items()}


def adopt(workspace: Workspace, kind: ArtifactKind[Any], artifact: Artifact, count: int) -> None:
    """Publish another workspace's artifact in this one, cut to its first `count` images."""
    settings: dict[str, Any] = dict(artifact.manifest["settings"])
    kept: dict[str, np.ndarray] = {}
    if kind == CONTROLS:
        kept = _cut_controls(artifact, count)
        settings["controls"] = len(kept["captions"])
    plan = Plan(
        kind.folder,
        workspace.expected(kind),
        settings,
        {"cut_from": artifact.checksum},
        chunks=0,
    )
    with Writer(workspace.folder, plan) as writer:
        if writer.up_to_date():
            return
        writer.missing()  # makes the folder that is published
        writer.publish(lambda _, folder: _write(artifact, count, kept, folder))
    workspace.forget()


def _write(artifact: Artifact, count: int, kept: Mapping[str, np.ndarray], folder: Path) -> None:
    if kept:
        (folder / "controls.safetensors").write_bytes(save_arrays(dict(kept)))
        return
    for file in artifact.files:
        CUTTERS[Path(file).suffix](artifact, file, count, folder / file)


def _taken_over(artifact: Artifact, file: str, count: int, target: Path) -> None:
    """What belongs to the training set as a whole: curvature, whitening."""
    shutil.copy(artifact.path(file), target)


def _cut_array(artifact: Artifact, file: str, count: int, target: Path) -> None:
    np.save(target, np.array(artifact.array(file)[:count]))


def _cut_index(artifact: Artifact, file: str, count: int, target: Path) -> None:
    """The first vectors, in the very codes that they have in the whole index."""
    index = faiss.deserialize_index(np.frombuffer(artifact.read(file), dtype=np.uint8))
    if index.ntotal > count:
        index.remove_ids(faiss.IDSelectorRange(count, index.ntotal))
    target.write_bytes(faiss.serialize_index(index).tobytes())


CUTTERS: Mapping[str, Callable[[Artifact, str, int, Path], None]] = {
    ".safetensors": _taken_over,
    ".npy": _cut_array,
    ".faiss": _cut_index,
}


def _cut_controls(artifact: Artifact, count: int) -> dict[str, np.ndarray]:
    arrays = load_arrays(artifact.read("controls.safetensors"))
    inside = arrays["captions"] < count
    return {name: np.ascontiguousarray(array[inside]) for name, array in arrays.items()}


def _cut_pictures(training_set: TrainingSet, count: int, folder: Path) -> str:
    """The first pictures as links, and their metadata, whose sha256 is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    for example in training_set.examples[:count]:
        target = folder / example.file_name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(training_set.folder / example.file_name, target)
    lines = (training_set.folder / METADATA).read_text(encoding="utf-8").split("\n")
    data = ("\n".join([line for line in lines if line.strip()][:count]) + "\n").encode()
    (folder / METADATA).write_bytes(data)
    return hashlib.sha256(data).hexdigest()
