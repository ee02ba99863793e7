"""A training set of very many rows, of a few pictures in one shard, and a workspace of it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tarfile import BLOCKSIZE
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
PICTURES = 8  # had by every row in turn, and so is each shelf
ENCODERS = ("clip", "dino")  # gone without
APART = 0.02  # of each number of two rows' vectors with the same picture, so that no two are alike


def many_rows(folder: Path, rows: int) -> TrainingSet:
    """The set as it opens after a scan: from its table."""
    drawn = [_picture(number) for number in range(PICTURES)]
    shard = write_tar(folder / "set" / "00000.tar", **{f"{k}.png": data for k, data in enumerate(drawn)})
    hashes = [hashlib.sha256(data).hexdigest() for data in drawn]
    examples = [
        Example(
            row,
            f"train-{row:06}",
            f"{row:06}.png",
            caption_of(row),
            hashes[row % PICTURES],
            metadata_of(row),
        )
        for row in range(rows)
    ]
    lies = [(2 * BLOCKSIZE * k + BLOCKSIZE, len(data)) for k, data in enumerate(drawn)]  # after its header
    places = {each.file_name: (0, lies[each.row % PICTURES]) for each in examples}
    pictures, sums = open_packed([shard], places, Columns()), {shard.name: "0" * 64}
    seen = seen_sha256(shard.parent, [shard])
    save_scan(TrainingSet(shard.parent, examples, seen, pictures, sums), folder / "training_set.json")
    return load_scan(folder / "training_set.json", shard.parent)


def caption_of(row: int) -> str:
    """Its number is in a few others."""
    return f"a {('red', 'blue')[row % 2]} square number {row % RARE}"


def metadata_of(row: int) -> dict[str, str]:
    """One column, of a value for each picture."""
    return {"shelf": SHELVES[row % PICTURES]}


def in_workspace(training_set: TrainingSet, folder: Path, like: Workspace) -> Workspace:
    """A workspace of these rows with the model of another, and an embedding of their pixels, nearly.

    Args:
        folder: where `many_rows` has put them.
    """
    fingerprints = {name: each for name, each in like.fingerprints.items() if name not in ENCODERS}
    fingerprints["training_set"] = training_set.fingerprint
    config = replace(
        like.config,
        model=like.source(like.config.model),
        dataset=str(training_set.folder),
        encoders={},
        fingerprints=fingerprints,
    )
    config.save(folder)
    workspace = Workspace(folder, config, training_set=training_set)
    kind, rows = embedding("pixel"), np.arange(len(training_set))
    pictures = [workspace.prepared(training_set.image(number)) for number in range(PICTURES)]
    of_pictures = np.asarray(workspace.encoder("pixel").images(pictures))
    vectors = np.random.default_rng(0).standard_normal((len(rows), of_pictures.shape[1]), np.float32)
    vectors = APART * vectors + of_pictures[rows % PICTURES]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    def assemble(chunks: Iterator[Chunk], out: Path) -> Mapping[str, Any] | None:
        write_index([vectors], out / f"{kind.folder}.faiss")
        return None

    with Writer(folder, Plan(kind.folder, workspace.expected(kind), {}, {}, 0)) as writer:
        assert writer.missing() == []
        writer.publish(assemble)
    return workspace


def _picture(number: int) -> bytes:
    out = io.BytesIO()
    image = Image.new("RGB", (32, 32))
    left, top = 8 * (number % 4), 16 * (number // 4)
    image.paste((255, 30 * number, 90), (left, top, left + 8, top + 16))
    image.save(out, "PNG")
    return out.getvalue()
