"""A training set of very many rows, of a few pictures in one shard, and a workspace of it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from attribution.data.columns import Columns
from attribution.data.index import load_scan, save_scan
from attribution.data.shards import open_packed, seen_sha256
from attribution.data.training_set import Example, TrainingSet
from attribution.workspace.embeddings import embedding
from attribution.workspace.vector_index import write_index
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk, Plan, Writer
from tests.worlds.tar_files import write_tar

RARE = 50_000  # rows from one that has a caption's number to the next
SHELVES = tuple("ABCDEFGH")
DIMENSIONS = 16  # of what stands for an embedding


def many_rows(folder: Path, rows: int) -> TrainingSet:
    """The set as it opens after a scan: from its table."""
    shard = write_tar(folder / "set" / "00000.tar", **{f"{k}.png": _picture(k) for k in range(8)})
    examples = [
        Example(row, f"train-{row:06}", f"{row:06}.png", caption_of(row), f"{row:064x}", metadata_of(row))
        for row in range(rows)
    ]
    places = {each.file_name: (0, (1536 * (each.row % 8) + 512, len(_picture(0)))) for each in examples}
    pictures, sums = open_packed([shard], places, Columns()), {shard.name: "0" * 64}
    seen = seen_sha256(shard.parent, [shard])
    save_scan(TrainingSet(shard.parent, examples, seen, pictures, sums), folder / "training_set.json")
    return load_scan(folder / "training_set.json", shard.parent)


def caption_of(row: int) -> str:
    """Its number is in a few others."""
    return f"a {('red', 'blue')[row % 2]} square number {row % RARE}"


def metadata_of(row: int) -> dict[str, str]:
    """One column, of eight values."""
    return {"shelf": SHELVES[row % 8]}


def in_workspace(training_set: TrainingSet, folder: Path, like: Workspace) -> Workspace:
    """A workspace of these rows with the model of another, and an embedding of pixels of no pictures."""
    workspace = Workspace(folder, like.config, training_set=training_set)
    kind, vectors = (
        embedding("pixel"),
        np.random.default_rng(0).normal(size=(len(training_set), DIMENSIONS)),
    )

    def assemble(chunks: Iterator[Chunk], out: Path) -> Mapping[str, Any] | None:
        write_index([vectors], out / f"{kind.folder}.faiss")
        return None

    with Writer(folder, Plan(kind.folder, workspace.expected(kind), {}, {}, 0)) as writer:
        assert writer.missing() == []
        writer.publish(assemble)
    return workspace


def _picture(number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (30 * number, 0, 0)).save(out, "PNG")
    return out.getvalue()
