"""The commands that read what others left, or what other models made: their flags, and what they do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from attribution.workspace.workspace import Workspace
from precompute.adopting import adopt
from precompute.bars import counting
from precompute.conversion import convert
from precompute.heads import add_flags, tune


@dataclass(frozen=True)
class Verb:
    """One command.

    Attributes:
        description: what it does, as a command.
        add_flags: to its parser.
        action: what it does with what was parsed; returns the exit status.
    """

    description: str
    add_flags: Callable[[argparse.ArgumentParser], None]
    action: Callable[[argparse.Namespace], int]


def _add_conversion_flags(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("source", type=Path, metavar="FILE_OR_FOLDER", help="what is converted")
    sub.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="a new folder")
    sub.add_argument(
        "--config",
        type=Path,
        metavar="PIPELINE_FOLDER",
        help="for a whole model in one file: a pipeline of its kind, with or without weights",
    )


def _convert(options: argparse.Namespace) -> int:
    for name in convert(options.source, options.out, options.config):
        print(options.out / name)
    return 0


def _add_import_flags(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("folder", type=Path, metavar="FOLDER", help="of the published files, unpacked")
    sub.add_argument("--workspace", required=True, type=Path, metavar="DIR", help="a new folder")
    sub.add_argument(
        "--base",
        required=True,
        type=Path,
        metavar="FOLDER",
        help="the pipeline folder whose VAE, tokenizer and text encoder it was trained with",
    )
    sub.add_argument(
        "--dataset", type=Path, metavar="DIR", help="COCO's pictures and annotations (default: FOLDER)"
    )
    sub.add_argument("--device", default="cpu", help="cpu (default) or cuda")


def _import_abu(options: argparse.Namespace) -> int:
    from precompute.import_abu import import_abu  # it imports diffusers, which takes seconds

    given = (options.folder, options.workspace, options.base, options.dataset or options.folder)
    with counting("training set") as progress:
        for line in import_abu(*given, options.device, progress):
            print(line, file=sys.stderr)
    print(
        f"{options.workspace}: run `python -m precompute all --workspace {options.workspace}` for the rest"
    )
    return 0


def _add_adopting_flags(sub: argparse.ArgumentParser) -> None:
    words = "whose artifacts are taken: of the model that this one was fine-tuned from, say"
    sub.add_argument("source", type=Path, metavar="WORKSPACE", help=words)
    words = "such as fisher; default: whatever holds here too"
    sub.add_argument("artifacts", nargs="*", metavar="ARTIFACT", help=words)
    sub.add_argument("--workspace", required=True, type=Path, metavar="DIR", help="that takes them")
    words = "copy no file: read them where they lie, in a workspace that is moved with this one"
    sub.add_argument("--by-reference", action="store_true", help=words)
    sub.add_argument("--device", default="cpu", help="cpu (default) or cuda")


def _adopt(options: argparse.Namespace) -> int:
    workspace = Workspace.open(options.workspace, options.device)
    source = Workspace.open(options.source, options.device)
    for line in adopt(workspace, source, options.artifacts, options.by_reference):
        print(line, file=sys.stderr)
    return 0


FOREIGN = {
    "convert": Verb(
        "write weights in pickles, or a whole model in one file, as a folder of safetensors",
        _add_conversion_flags,
        _convert,
    ),
    "import-abu": Verb(
        "make a workspace of the model that AbU publishes for MSCOCO, from its files",
        _add_import_flags,
        _import_abu,
    ),
    "adopt": Verb(
        "take over what another workspace has and what holds here too, its Fisher information say",
        _add_adopting_flags,
        _adopt,
    ),
    "heads": Verb(
        "tune a head on CLIP or DINO by pictures that customised models made",
        add_flags,
        tune,
    ),
}
