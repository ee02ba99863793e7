"""What `python -m evaluation customised` takes, and does."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from attribution.encoders.tuned import SUFFIX, HeadDescription, described_head
from attribution.methods.base import DEFAULT, method
from attribution.workspace.workspace import Workspace
from cli.commands import EMBEDDED
from cli.parser import Parser, positive_count
from evaluation.customised.asking import BASE, OWN, PLAIN, SHARED, Benchmark
from evaluation.customised.collection import Collection
from evaluation.customised.document import document
from evaluation.customised.records import read_records
from evaluation.files import write_whole

COLLECTION, RECORDS = Path("build/customised"), Path("docs/evaluation/customised")
DOCUMENT = Path("docs/CUSTOMISED.md")
METHODS = (DEFAULT, "divergence", "abu-plus", "first-order", "clip", "dino", "pixel", "bm25", "random")
JUDGE = "{python} -m demo judge --concepts --pictures {pictures} --out {verdicts}"


def add_customised(top: argparse._SubParsersAction[Parser]) -> None:
    """Declare the command; it sets `action` to what does it."""
    words = "models taught one concept: which methods find the pictures that taught it"
    sub = top.add_parser("customised", help=words, description=words)
    sub.set_defaults(action=customised)
    words = f"customised models and candidates (default {COLLECTION})"
    sub.add_argument("collection", nargs="?", type=Path, default=COLLECTION, metavar="DIR", help=words)
    words = "how they were taught: a folder of the collection (default %(default)s)"
    sub.add_argument("--way", default="dreambooth", metavar="NAME", help=words)
    sub.add_argument("--concepts", nargs="+", default=[], metavar="NAME", help="default: all")
    sub.add_argument("--methods", nargs="+", default=list(METHODS), metavar="METHOD")
    words = "the workspace of the model that they were taught from"
    sub.add_argument("--base", type=Path, default=EMBEDDED, metavar="WORKSPACE", help=words)
    words = "whose Fisher information is used (default %(default)s)"
    sub.add_argument("--curvature", choices=(BASE, OWN), default=BASE, help=words)
    words = "other concepts' exemplars are captioned by their names, or share the new word (default plain)"
    sub.add_argument("--captions", choices=(PLAIN, SHARED), default=PLAIN, help=words)
    sub.add_argument("--judge", default=JUDGE, metavar="COMMAND", help="what says what pictures show")
    sub.add_argument("--effort", choices=("refined", "exhaustive"), default="refined")
    words = "of workspaces and pictures (default: work/ in the collection)"
    sub.add_argument("--work", type=Path, metavar="DIR", help=words)
    words = f"of records (default {RECORDS})"
    sub.add_argument("--records", type=Path, default=RECORDS, metavar="DIR", help=words)
    sub.add_argument("--document", type=Path, default=DOCUMENT, metavar="FILE")
    sub.add_argument("--only-document", action="store_true", help="write it from the records as they are")
    sub.add_argument("--device", default="cpu", metavar="cpu|cuda")
    words = "noises whose losses are precomputed (default %(default)s)"
    sub.add_argument("--pool", type=positive_count, default=2, metavar="N", help=words)


def customised(given: argparse.Namespace) -> None:
    """Ask what is not recorded yet, then write the document."""
    for name in given.methods:
        method(name)  # an unknown one is refused before hours of work
    if not given.only_document:
        _run(given)
    heads = heads_of(Workspace.open(given.base))
    write_whole(given.document, document(read_records(given.records), heads).encode())


def heads_of(workspace: Workspace) -> dict[str, HeadDescription]:
    """What the heads say of themselves that a workspace has, by the name of their method."""
    sources = {name: workspace.source(each) for name, each in workspace.config.encoders.items()}
    return {name: described_head(source) for name, source in sources.items() if name.endswith(SUFFIX)}


def _run(given: argparse.Namespace) -> None:
    collection = Collection.read(given.collection)
    benchmark = Benchmark(
        collection, given.way, given.base, given.work or given.collection / "work", given.records,
        tuple(shlex.split(given.judge)), tuple(given.methods), given.curvature, given.captions,
        given.effort,
        pool=given.pool, device=given.device,
    )  # fmt: skip
    for concept in collection.chosen(tuple(given.concepts)):
        for line in benchmark.run(concept):
            print(line, file=sys.stderr, flush=True)
