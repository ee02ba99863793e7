"""How many bytes every artifact takes: once, and for each training image."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path

from attribution.workspace.config import INDEX
from attribution.workspace.workspace import Workspace
from benchmarks.reports import Report
from evaluation.markdown import table
from precompute.jobs.base import all_jobs

GROWING = (".npy", ".faiss")  # files with a row for each training image
WORDS = """\
A workspace of {images:,} training images. *Once*: curvatures, control queries, whitening and manifests, \
which do not grow with the training set. Latents may be left out, and are then encoded as they are \
needed.

"""


@dataclass(frozen=True)
class Room:
    """Bytes of one artifact: those that do not grow with the training set, and those that do."""

    once: int
    growing: int


class Bytes:
    name = "bytes"
    description = "the size of every artifact in bytes, once and per training image"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        pass

    def run(self, options: argparse.Namespace) -> Report:
        images, found = len(Workspace.open(options.workspace).training_set), sizes(options.workspace)
        whole = Room(*(sum(getattr(room, part) for room in found.values()) for part in ("once", "growing")))
        rows = [
            (name, f"{room.once:,}", f"{room.growing / images:,.0f}")
            for name, room in [*found.items(), ("together", whole)]
        ]
        text = WORDS.format(images=images) + table(("artifact", "bytes once", "bytes an image"), rows)
        return Report({"images": images, "bytes": {k: asdict(room) for k, room in found.items()}}, text)


BENCHMARKS = (Bytes(),)


def sizes(folder: Path) -> dict[str, Room]:
    """Of every published artifact, manifest included, and of the index of the training set."""
    found = {
        name: _room([*(folder / name).iterdir()])
        for name in (job.kind.folder for job in all_jobs())
        if (folder / name / "manifest.json").is_file()
    }
    return found | {"index of the pictures": Room(0, (folder / INDEX).stat().st_size)}


def _room(files: list[Path]) -> Room:
    growing = sum(file.stat().st_size for file in files if file.suffix in GROWING)
    return Room(sum(file.stat().st_size for file in files) - growing, growing)
