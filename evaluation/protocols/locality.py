"""Does the box matter? Pictures of two objects, asked about by halves.

Each prompt names two objects; by the world's grammar the first stands on the left. Its generated
picture is asked about three times: the left box, the right box and the whole. Every method ranks the
same training images, drawn at random by the seed without looking at the query. The ground truth is
which training scenes contain the boxed object.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from attribution.errors import SettingsError
from attribution.query import Box, Settings
from attribution.workspace.workspace import Workspace
from evaluation import statistics
from evaluation.markdown import interval, table
from evaluation.prompts import Grammar, Prompt, object_names, two_object_prompts
from evaluation.protocols import Pictures, Task
from evaluation.reports import Report

# By grammar, not by looking: scenes stand on a ground, so the top of the picture is left out.
LEFT = Box(0.02, 0.30, 0.50, 0.92)
RIGHT = Box(0.50, 0.30, 0.98, 0.92)
BOXES: dict[str, Box | None] = {"left": LEFT, "right": RIGHT, "whole": None}


class Locality:
    name = "locality"
    description = "boxed precision and locality on generated pictures of two objects"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--prompts", type=int, default=24, metavar="N", help="two-object prompts")
        parser.add_argument("--candidates", type=int, default=400, metavar="N", help="images ranked")
        parser.add_argument("--top-k", type=int, default=20, metavar="K", help="of the precision")
        parser.add_argument("--steps", type=int, default=30, metavar="N", help="of generating a picture")
        parser.add_argument(
            "--guidance", type=float, default=2.0, metavar="G", help="of generating a picture"
        )
        words = "methods asked about the whole picture too (default all; none named: boxes alone)"
        parser.add_argument("--whole", nargs="*", metavar="METHOD", help=words)

    def tasks(self, workspace: Workspace, options: Mapping[str, Any], pictures: Pictures) -> list[Task]:
        settings = Settings(seed=options["seed"], candidates=options["candidates"])
        return [
            self._task(i, prompt, box, settings, methods, pictures)
            for i, prompt in enumerate(_prompts(workspace, options))
            for box, methods in _methods_by_box(options).items()
        ]

    def _task(
        self,
        i: int,
        prompt: Prompt,
        box: str,
        settings: Settings,
        methods: tuple[str, ...],
        pictures: Pictures,
    ) -> Task:
        name = f"prompt-{i:02d}"
        facts = {"prompt": prompt.text, "left": prompt.left, "right": prompt.right, "seen": prompt.seen}
        return Task(
            key=f"{name}-{box}",
            query=lambda: replace(pictures(name, prompt.text, i), box=BOXES[box]),
            settings=settings,
            methods=methods,
            facts={**facts, "picture_seed": i, "asked": box},
        )

    def report(
        self, workspace: Workspace, options: Mapping[str, Any], answers: Sequence[Mapping[str, Any]]
    ) -> Report:
        k = options["top_k"]
        shows = scenes_by_object(workspace)
        methods = {name: _figures(name, answers, shows, k) for name in options["methods"]}
        name, first = next(iter(methods.items()))
        of_first = _boxed(name, answers, shows, k)
        for method, found in methods.items():
            apart = _boxed(method, answers, shows, k) - of_first
            found |= {"ahead": float(apart.mean()), "ahead_interval": statistics.mean_interval(apart)}
        figures = {
            "prompts": len(answers) // len(_methods_by_box(options)),
            "unseen_pairs": sum(not a["facts"]["seen"] for a in answers) // len(_methods_by_box(options)),
            "candidates": options["candidates"],
            "k": k,
            "base_rate": first["base_rate"],
            "ceiling": first["ceiling"],
            "methods": methods,
        }
        return Report(figures, _markdown(figures))


PROTOCOLS = (Locality(),)


def _methods_by_box(options: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The boxes that each picture is asked about, and by which methods.

    Raises:
        SettingsError: a method is to be asked about the whole picture that is not asked at all.
    """
    methods = tuple(options["methods"])
    named = methods if options["whole"] is None else options["whole"]
    if unknown := [name for name in named if name not in methods]:
        raise SettingsError(f"--whole names {', '.join(unknown)}, which --methods does not")
    by_box = {
        box: tuple(name for name in methods if corners is not None or name in named)
        for box, corners in BOXES.items()
    }
    return {box: names for box, names in by_box.items() if names}


def _prompts(workspace: Workspace, options: Mapping[str, Any]) -> list[Prompt]:
    grammar = Grammar.of(workspace.training_set.examples)
    return two_object_prompts(grammar, options["prompts"], options["seed"])


def scenes_by_object(workspace: Workspace) -> dict[str, frozenset[str]]:
    """The ids of the training scenes that show each object, by the object's name."""
    found: dict[str, set[str]] = {}
    for example in workspace.training_set.examples:
        for name in object_names(example):
            found.setdefault(name, set()).add(example.id)
    return {name: frozenset(ids) for name, ids in found.items()}


def precision(
    k: int, ids: Sequence[str], facts: Mapping[str, Any], side: str, shows: Mapping[str, frozenset[str]]
) -> float:
    """Of the first `k` of `ids`, those that show the object on a side of the picture."""
    return statistics.precision_at(k, ids, shows.get(facts[side], frozenset()))


def _over_prompts(
    method: str,
    answers: Sequence[Mapping[str, Any]],
    shows: Mapping[str, frozenset[str]],
    k: int,
    box: str,
    side: str,
) -> Float[ndarray, " prompts"]:
    """The precision for the object on one side, asked about one box."""
    values = [
        precision(k, a["methods"][method]["ids"], a["facts"], side, shows)
        for a in answers
        if a["facts"]["asked"] == box
    ]
    return np.array(values)


def _boxed(
    method: str, answers: Sequence[Mapping[str, Any]], shows: Mapping[str, frozenset[str]], k: int
) -> Float[ndarray, " prompts"]:
    """The precision for the boxed object, the mean of both boxes."""
    left, right = (_over_prompts(method, answers, shows, k, side, side) for side in ("left", "right"))
    return np.asarray((left + right) / 2)


def _figures(
    method: str, answers: Sequence[Mapping[str, Any]], shows: Mapping[str, frozenset[str]], k: int
) -> dict[str, Any]:
    """One method's line of the report. Arrays are over prompts."""

    answers = [answer for answer in answers if method in answer["methods"]]
    boxes = dict.fromkeys(answer["facts"]["asked"] for answer in answers)
    found = {
        (box, side): _over_prompts(method, answers, shows, k, box, side)
        for box in boxes
        for side in ("left", "right")
    }
    boxed = _boxed(method, answers, shows, k)
    other = (found["left", "right"] + found["right", "left"]) / 2
    base, ceiling = _chance(method, answers, shows, k)
    local = statistics.locality(
        found["left", "left"], found["right", "left"], found["right", "right"], found["left", "right"]
    )
    seconds = [a["methods"][method]["seconds"] for a in answers]
    return {
        "boxed_precision": float(boxed.mean()),
        "boxed_precision_interval": statistics.mean_interval(boxed),
        "other_precision": float(other.mean()),
        "base_rate": float(base.mean()),
        "ceiling": float(ceiling.mean()),
        "ratio": float(boxed.mean() / base.mean()),
        "ratio_interval": statistics.ratio_interval(boxed, base),
        "locality": float(local.mean()),
        "locality_interval": statistics.mean_interval(local),
        "median_seconds": float(np.median(seconds)),
        **(_whole(found, base) if "whole" in boxes else {}),
    }


def _whole(
    precision: Mapping[tuple[str, str], Float[ndarray, " prompts"]], base: Float[ndarray, " prompts"]
) -> dict[str, Any]:
    """The figures of the query without a box."""
    whole = (precision["whole", "left"] + precision["whole", "right"]) / 2
    return {
        "whole_precision": float(whole.mean()),
        "whole_ratio": float(whole.mean() / base.mean()),
        "whole_ratio_interval": statistics.ratio_interval(whole, base),
    }


def _chance(
    method: str, answers: Sequence[Mapping[str, Any]], shows: Mapping[str, frozenset[str]], k: int
) -> tuple[Float[ndarray, " prompts"], Float[ndarray, " prompts"]]:
    """Per prompt, over its two objects: the candidates' share that shows it, and the best precision."""
    base, ceiling = [], []
    for answer in (a for a in answers if a["facts"]["asked"] == "left"):
        ids = answer["methods"][method]["ids"]
        both = [shows.get(answer["facts"][side], frozenset()) for side in ("left", "right")]
        base.append(sum(statistics.share(ids, s) for s in both) / 2)
        ceiling.append(sum(statistics.best_precision_at(k, ids, s) for s in both) / 2)
    return np.array(base), np.array(ceiling)


WORDS = """\
{prompts} prompts of two objects ({unseen_pairs} of them a pair that no training scene shows together), \
drawn from the words of the training captions by the seed; picture i is generated with seed i. Every \
method ranks the same {candidates} training images, drawn at random by the seed without looking at the \
query. The first named object stands on the left, so the boxes are {left} and {right} in every picture, \
whatever it shows.

A hit is a training scene that contains the boxed object. A share of {base_rate:.3f} of the {candidates} \
does (the base rate); a perfect ranking would reach {ceiling:.3f}. *Other object* is the precision for \
the object outside the box. *Ahead* is how far its boxed precision is ahead of `{first}`'s, prompt by \
prompt. *Locality* is half of [p(left box, left object) - p(right box, left object) \
+ p(right box, right object) - p(left box, right object)]: 0 for a method that ignores the box. In \
brackets: 95% bootstrap intervals over prompts (10,000 resamples).

"""


def _markdown(figures: Mapping[str, Any]) -> str:
    k, first = figures["k"], next(iter(figures["methods"]))
    rows = [
        (
            f"`{name}`",
            f"{m['boxed_precision']:.3f} {interval(m['boxed_precision_interval'])}",
            f"{m['ratio']:.2f} {interval(m['ratio_interval'], 2)}",
            f"{m['other_precision']:.3f}",
            f"{m['ahead']:+.3f} {interval(m['ahead_interval'])}" if name != first else "",
            f"{m['locality']:+.3f} {interval(m['locality_interval'])}",
            f"{m['whole_precision']:.3f} ({m['whole_ratio']:.2f})" if "whole_ratio" in m else "not asked",
            f"{m['median_seconds']:.1f}",
        )
        for name, m in figures["methods"].items()
    ]
    header = (
        "method",
        f"boxed precision@{k}",
        "ratio to base rate",
        "other object",
        "ahead",
        "locality",
        "whole picture (ratio)",
        "s / query",
    )
    return WORDS.format(**figures, first=first, left=_sides(LEFT), right=_sides(RIGHT)) + table(
        header, rows
    )


def _sides(box: Box) -> str:
    return "(" + ", ".join(f"{side:.2f}" for side in box.as_tuple()) + ")"
