"""A training set of many rows: opened, and answered over, in a process of its own.

The set is made: small drawn pictures in tar files, captions of a few words, and vectors that stand for an
embedding. What is measured is everything that an instant answer by likeness does beside encoding the query.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from attribution.analysis.groups import grouped
from attribution.analysis.shared_facts import Everywhere
from attribution.data.catalogue import Catalogue
from attribution.data.columns import Columns
from attribution.data.files import file_sha256
from attribution.data.index import load_scan, save_scan
from attribution.data.shards import open_packed, seen_sha256
from attribution.data.training_set import Example, TrainingSet
from attribution.data.words import words
from attribution.methods.bm25 import BM25Options, bm25_scores
from attribution.results import Ranking, Scores
from attribution.workspace.inverted_lists import FOUND, write_lists
from attribution.workspace.store import Store
from attribution.workspace.vector_index import Neighbours, decoded, read_index, vectors_in, write_index
from attribution.workspace.writer import Chunk, Plan, Writer
from benchmarks.reports import Report, machine, small_print
from cli.parser import positive_count
from evaluation.markdown import table

PICTURES, SIDE = 512, 16  # drawn once, and had by many rows; pixels
IN_SHARD = 10_000
DIMENSIONS, FOLDED = 64, 16  # of what stands for an embedding: numbers, and dimensions that they come from
LIKENESS = "likeness"
COLOURS = ("red", "green", "blue", "yellow", "white", "purple", "orange", "black")
THINGS = ("square", "circle", "bar", "corner", "frame", "dot", "cross", "stripe")
INDEX = "training_set.json"
WORDS = """\
{rows:,} rows in {shards} tar files, drawn by code. Seconds of the processor, in one thread, in a process \
that has nothing open; memory is the most that it has held. The answer is all of an instant one by \
likeness but the query's encoding: cosines of {dimensions} numbers (made of {folded} dimensions), their \
order, 20 lines, the caption's words. Its index looks at {probed} of {lists} lists and finds {first:.1%} \
of the true first 20, {found:.1%} of the first 1,000, of {queries} rows that were held out.

"""
THROUGH_LISTS = ("a first answer, of the nearest lists", "a second answer")
EVERY_ROW = ("a first answer, of every row", "a second one")
STAGES = ("opened", "its index opened", *THROUGH_LISTS, *EVERY_ROW)
MEMORY = {
    "before_mb": "memory before, with the libraries",
    "opened_mb": "memory, opened",
    "index_mb": "memory, with its index",
    "answered_mb": "memory, after two answers of the nearest lists",
}


class Rows:
    name = "rows"
    description = "seconds and memory of a training set of many rows"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--rows", type=positive_count, default=1_000_000, metavar="N", help="(1,000,000)"
        )
        parser.add_argument("--cache", type=Path, default=Path("build/rows"), metavar="DIR")

    def run(self, options: argparse.Namespace) -> Report:
        folder = made(options.cache / str(options.rows), options.rows)
        command = [sys.executable, "-m", "benchmarks.rows", str(folder)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        lines = [(stage, f"{found[stage]:.2f} s") for stage in (*STAGES, *found["passes"])]
        lines += [(words, f"{found[key]:.0f} MB") for key, words in MEMORY.items()]
        kept = {"rows": options.rows, "shards": -(-options.rows // IN_SHARD)}
        words = WORDS.format(**kept, dimensions=DIMENSIONS, folded=FOLDED, **found["recall"])
        facts = machine(options.device)
        figures = {"rows": options.rows, **found, "machine": facts}
        return Report(figures, words + table(("", ""), lines) + "\n" + small_print(facts))


BENCHMARKS = (Rows(),)


def made(folder: Path, rows: int) -> Path:
    """Make the set and what is kept of it, unless it is there."""
    if (folder / LIKENESS).exists():
        return folder
    save_scan(packed(folder / "set", rows), folder / INDEX)
    indexed(folder, rows)
    return folder


def packed(shards: Path, rows: int, captioned: bool = False) -> TrainingSet:
    """Write the tar files; return the set that is in them, without a scan of it.

    Args:
        captioned: whether a text lies beside each picture, for those who do scan it.
    """
    shards.mkdir(parents=True, exist_ok=True)
    examples, places, paths = list[Example](), dict[str, tuple[int, tuple[int, int]]](), list[Path]()
    drawn = [drawing(number) for number in range(PICTURES)]
    hashes = [hashlib.sha256(data).hexdigest() for data in drawn]
    for start in range(0, rows, IN_SHARD):
        path = shards / f"{start // IN_SHARD:05d}.tar"
        for row, place in written(path, range(start, min(rows, start + IN_SHARD)), drawn, captioned):
            name = f"{row:09d}.png"
            places[name] = len(paths), place
            caption, sha256 = caption_of(row), hashes[row % PICTURES]
            examples.append(Example(row, name, name, caption, sha256, {"collection": row % 8}))
        paths.append(path)
    pictures = open_packed(paths, places, Columns())
    sums = {path.name: file_sha256(path) for path in paths}
    return TrainingSet(shards, examples, seen_sha256(shards, paths), pictures, sums)


def drawing(number: int) -> bytes:
    """A PNG of a shape on a ground."""
    image = Image.new("RGB", (SIDE, SIDE), COLOURS[number % 8])
    corner = (number // 8) % 8
    ImageDraw.Draw(image).rectangle((corner, corner // 2, corner + 6, SIDE - 3), fill=COLOURS[number // 64])
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def caption_of(row: int) -> str:
    """A few words, one of them rare."""
    return f"a {COLOURS[row % 8]} {THINGS[row // 8 % 8]} on {COLOURS[row // 64 % 8]} number {row % 50_021}"


def written(
    path: Path, rows: range, drawn: list[bytes], captioned: bool
) -> Iterator[tuple[int, tuple[int, int]]]:
    """Write a shard; yield each row with where its picture lies: offset and bytes."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as shard:
        for row in rows:
            data = drawn[row % PICTURES]
            offset = shard.offset + tarfile.BLOCKSIZE
            _add(shard, f"{row:09d}.png", data)
            if captioned:
                _add(shard, f"{row:09d}.txt", caption_of(row).encode())
            yield row, (offset, len(data))


def _add(shard: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    shard.addfile(member, io.BytesIO(data))


def indexed(folder: Path, rows: int) -> None:
    """Keep vectors that stand for an embedding, and lists of them, as the job of one does."""

    def assemble(chunks: Iterator[Chunk], part: Path) -> Mapping[str, Any]:
        flat = decoded(write_index([folded(rows)], part / f"{LIKENESS}.faiss"))
        return write_lists(vectors_in(flat), part)

    with Writer(folder, Plan(LIKENESS, {}, {}, {}, 0)) as writer:
        assert not list(writer.missing()), "there are no chunks; but so its folder is made"
        writer.publish(assemble)


def folded(rows: int) -> np.ndarray:
    """Vectors that have fewer dimensions than numbers, as embeddings of pictures have, length 1."""
    rng = np.random.default_rng(0)
    inner = rng.standard_normal((rows, FOLDED), np.float32)
    into, out = (rng.standard_normal(shape, np.float32) for shape in ((FOLDED, 256), (256, DIMENSIONS)))
    vectors = np.tanh(inner @ into / np.float32(np.sqrt(FOLDED))) @ out
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def megabytes() -> float:
    """The most that this process has held."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def measured(folder: Path) -> dict[str, Any]:
    """Open the set and answer over it, here: seconds of the processor, and megabytes."""
    found: dict[str, Any] = {"before_mb": megabytes()}
    began = time.process_time()
    training_set = load_scan(folder / INDEX, folder / "set")
    found |= {"opened": time.process_time() - began, "opened_mb": megabytes()}
    began = time.process_time()
    listed = read_index(Store(folder).open(LIKENESS, {}), training_set.ids)
    found |= {"its index opened": time.process_time() - began, "index_mb": megabytes()}
    assert listed.lists is not None, "these vectors lie in an order"
    found["recall"] = listed.lists.recall.model_dump()
    for stage, row in zip(THROUGH_LISTS, (5, 77), strict=True):
        found[stage] = seconds_of_answer(training_set, listed, row, through_lists=True)
    found["answered_mb"] = megabytes()
    whole = Neighbours(listed.index, training_set.ids)
    for stage, row in zip(EVERY_ROW, (5, 77), strict=True):
        found[stage] = seconds_of_answer(training_set, whole, row, through_lists=False)
    asked = passes(training_set)
    for stage, ask in asked.items():
        began = time.process_time()
        ask()
        found[stage] = time.process_time() - began
    return found | {"passes": list(asked)}


def passes(training_set: TrainingSet) -> dict[str, Callable[[], object]]:
    """What is asked of all rows when it is first asked for, and of one picture."""
    scores = Scores(np.arange(len(training_set)), np.random.default_rng(0).random(len(training_set)))
    ranking = Ranking.of(scores, training_set, LIKENESS, "Likeness", 0.0, "all")
    return {
        "a ranking of all by groups": partial(grouped, ranking, training_set, "collection"),
        "the library's first look": partial(Catalogue.of, training_set),
        "what a first answer's sentence needs": partial(Everywhere.of, training_set),
        "BM25's first question": partial(asked_by_words, training_set),
        "BM25's second question": partial(asked_by_words, training_set),
        "a thumbnail": partial(training_set.image, len(training_set) - 1),
    }


def asked_by_words(training_set: TrainingSet) -> None:
    """Score every caption against that of one row."""
    asked = words(training_set.captions[5])
    scores = bm25_scores(training_set.caption_words, asked, BM25Options())
    assert scores[5] == scores.max()


def seconds_of_answer(
    training_set: TrainingSet, neighbours: Neighbours, row: int, through_lists: bool
) -> float:
    """All of an instant answer by likeness but the query's encoding."""
    began, vector = time.process_time(), neighbours.vector(row)
    rows = neighbours.found(vector, FOUND) if through_lists else np.arange(len(training_set))
    scores = Scores(rows, neighbours.scores(vector, rows))
    ranking = Ranking.of(scores, training_set, LIKENESS, "Likeness", 0.0, "all")
    first = list(ranking.entries[:20])
    known = training_set.has_word("purple"), training_set.words_in_more_than(0.25)
    seconds = time.process_time() - began
    assert (first[0].row, known[0]) == (row, True)
    return seconds


if __name__ == "__main__":
    print(json.dumps(measured(Path(sys.argv[1]))))
