"""How many bytes a training image takes in every artifact."""

from __future__ import annotations

import argparse
from pathlib import Path

from attribution.configuration import BOUND_TO
from attribution.workspace import INDEX, Workspace
from benchmarks.reports import Report
from evaluation.markdown import table

GROWS = {"fisher": "no", "kfac": "no", "ekfac": "no", "controls": "no"}  # with the training set
WORDS = "{images:,} training images. *Grows*: whether the artifact does with the training set.\n\n"


class Room:
    name = "bytes"
    description = "the size of every artifact in bytes per training image"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        pass

    def run(self, options: argparse.Namespace) -> Report:
        workspace = Workspace.open(options.workspace)
        images, found = len(workspace.training_set), sizes(options.workspace)
        rows = [
            (name, f"{size:,}", f"{size / images:,.0f}", GROWS.get(name, "yes"))
            for name, size in found.items()
        ]
        total = sum(found.values())
        rows.append(("together", f"{total:,}", f"{total / images:,.0f}", ""))
        text = WORDS.format(images=images) + table(("artifact", "bytes", "per image", "grows"), rows)
        return Report({"images": images, "bytes": found}, text)


BENCHMARK = Room()


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of every published artifact, manifest included, and of the index of the training set."""
    found = {
        name: sum(file.stat().st_size for file in (folder / name).iterdir())
        for name in BOUND_TO
        if (folder / name / "manifest.json").is_file()
    }
    return found | {"index of the pictures": (folder / INDEX).stat().st_size}
