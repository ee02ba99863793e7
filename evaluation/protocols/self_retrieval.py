"""Does a training image find itself? Uploaded with its own caption, ranked among random others.

A sanity check, not a measure of influence: a method that does not place an image's own copy near the
top of a few hundred random others measures something else. Nearest neighbours pass it by construction.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from attribution.errors import TrainingSetError
from attribution.query import Query, Settings
from attribution.workspace.workspace import Workspace
from evaluation.markdown import table
from evaluation.protocols import Pictures, Task
from evaluation.reports import Report

WORDS = """\
{images} training images, drawn by the seed, each uploaded with its own caption and ranked among itself \
and {others} random others (by chance its median rank would be about {chance:.0f}). Nearest neighbours \
find an identical copy by construction.

"""


class SelfRetrieval:
    name = "self-retrieval"
    description = "rank of training images, uploaded with their captions, among random others"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--images", type=int, default=10, metavar="N", help="training images asked about"
        )
        parser.add_argument(
            "--others", type=int, default=400, metavar="N", help="random images beside each"
        )

    def tasks(self, workspace: Workspace, options: Mapping[str, Any], pictures: Pictures) -> list[Task]:
        examples = workspace.training_set.examples
        if options["others"] + 1 > len(examples) or options["images"] > len(examples):
            raise TrainingSetError(
                f"this training set has {len(examples)} images: too few for --images {options['images']} "
                f"among --others {options['others']}"
            )
        draw = np.random.default_rng(options["seed"])
        rows = draw.choice(len(examples), size=options["images"], replace=False)
        return [
            Task(
                key=f"image-{i:02d}",
                query=_upload(workspace, int(row)),
                settings=Settings(
                    seed=options["seed"],
                    candidates=_with_others(workspace.training_set.ids, int(row), options["others"], draw),
                ),
                methods=tuple(options["methods"]),
                facts={"id": examples[row].id, "caption": examples[row].caption},
            )
            for i, row in enumerate(rows)
        ]

    def report(
        self, workspace: Workspace, options: Mapping[str, Any], answers: Sequence[Mapping[str, Any]]
    ) -> Report:
        methods = {name: _ranks(name, answers) for name in options["methods"]}
        figures = {
            "images": len(answers),
            "others": options["others"],
            "methods": {name: {"ranks": r, "median": float(np.median(r))} for name, r in methods.items()},
        }
        rows = [(f"`{n}`", f"{np.median(r):g}", ", ".join(map(str, r))) for n, r in methods.items()]
        text = WORDS.format(**figures, chance=options["others"] / 2)
        return Report(figures, text + table(("method", "median rank of itself", "ranks"), rows))


PROTOCOLS = (SelfRetrieval(),)


def _upload(workspace: Workspace, row: int) -> Callable[[], Query]:
    """The training image's file, taken the way an upload is."""
    training_set = workspace.training_set
    return lambda: Query(training_set.image(row), training_set.captions[row])


def _with_others(ids: Sequence[str], row: int, others: int, draw: np.random.Generator) -> tuple[str, ...]:
    """The id of `row` and those of `others` random other images, in the training set's order."""
    rest = np.delete(np.arange(len(ids)), row)
    chosen = {row, *draw.choice(rest, size=others, replace=False).tolist()}
    return tuple(ids[i] for i in sorted(chosen))


def _ranks(method: str, answers: Sequence[Mapping[str, Any]]) -> list[int]:
    return [a["methods"][method]["ids"].index(a["facts"]["id"]) + 1 for a in answers]
