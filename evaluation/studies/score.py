"""Which score by unlearning is best: loss, curvature, damping, rise, steps, layers, statistic.

Boxed questions of pictures that nothing is reported on; every variant measures the same candidates on the
same noise. The truth here is which training scenes show the boxed object: that is looks, not retraining.
"""

from __future__ import annotations

import argparse
from collections.abc import Generator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from attribution.query import Box
from attribution.rng import generator
from attribution.unlearning.movement import spread_places
from attribution.workspace.workspace import Workspace
from evaluation.markdown import interval, table
from evaluation.prompts import Grammar, two_object_prompts
from evaluation.protocols.locality import LEFT, RIGHT, scenes_by_object
from evaluation.reports import Report
from evaluation.score_variants import MEASURES, STATISTICS, VARIANTS, Laboratory, variants_named
from evaluation.statistics import grouped_interval, spearman
from evaluation.studies import Kept

TOP = 20
SIDES: tuple[Box, Box] = (LEFT, RIGHT)
WORDS = """\
{questions} boxed questions ({prompts} pictures of two objects, both halves; prompts and candidates of \
seed {seed}, on which nothing else is reported), {candidates} candidates, {noises} noise a timestep. Each \
variant differs from the default in what its name says; the default is EK-FAC, damping 0.1, one step, a \
rise of 10%, in the loss of training. *Other object* is the precision for the object outside the box. In \
brackets: 95% bootstrap intervals over pictures.

"""
MADE_OF = "What is made of the default's measurements, timestep by timestep, for each image:\n\n"
TIMESTEPS = (1, 2, 3, 5, 10)


class Score:
    name = "score"
    description = "boxed precision of ways of scoring by unlearning"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--prompts", type=int, default=8, metavar="N", help="pictures, two boxes each")
        parser.add_argument("--candidates", type=int, default=400, metavar="N", help="images ranked")
        parser.add_argument("--noises", type=int, default=1, metavar="N", help="at each timestep")
        names = [variant.name for variant in VARIANTS]
        parser.add_argument("--variants", nargs="+", default=names, metavar="NAME", help="default: all")

    def run(
        self, workspace: Workspace, options: Mapping[str, Any], kept: Kept
    ) -> Generator[str, None, Report]:
        chosen = variants_named(options["variants"])
        seed, count = options["seed"], len(workspace.training_set)
        size = min(options["candidates"], count)
        rows = np.sort(generator(seed, "study candidates").choice(count, size=size, replace=False))
        laboratory = Laboratory(workspace, rows, replace(workspace.probe, noises=options["noises"]))
        pictures = kept.pictures(workspace, options["prompts"], seed)
        questions = [replace(picture, box=box) for picture in pictures for box in SIDES]
        found: dict[str, ndarray] = {}
        for variant in chosen:
            answers = []
            for number, question in enumerate(questions):
                name = f"{variant.name.replace(' ', '-').replace('%', '')}-{number:03d}"
                answers.append(kept.array(name, partial(laboratory.answered, variant, question)))
            found[variant.name] = np.stack(answers, axis=1)
            yield f"{variant.name}: done"
        before = kept.array("before", lambda: laboratory.before(chosen[0]).losses)
        boxed, other = _relevant(workspace, rows, options["prompts"], seed)
        return _report(options, found, before, boxed, other)


STUDIES = (Score(),)


def _relevant(
    workspace: Workspace, rows: ndarray, prompts: int, seed: int
) -> tuple[Bool[ndarray, "questions candidates"], Bool[ndarray, "questions candidates"]]:
    """Which candidates show the boxed object of each question, and which the other one."""
    shows = scenes_by_object(workspace)
    ids = [workspace.training_set.ids[row] for row in rows]
    boxed, other = [], []
    for prompt in two_object_prompts(Grammar.of(workspace.training_set.examples), prompts, seed):
        found = [[name in shows.get(thing, ()) for name in ids] for thing in (prompt.left, prompt.right)]
        boxed += found
        other += found[::-1]
    return np.array(boxed), np.array(other)


def _precision(
    scores: Float[ndarray, "questions candidates"], relevant: Bool[ndarray, "questions candidates"]
) -> Float[ndarray, " questions"]:
    first = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
    precision: Float[ndarray, " questions"] = np.take_along_axis(relevant, first, axis=1).mean(axis=1)
    return precision


def _report(
    options: Mapping[str, Any],
    found: Mapping[str, Float[ndarray, "measure questions candidates timesteps"]],
    before: Float[ndarray, "candidates timesteps"],
    boxed: Bool[ndarray, "questions candidates"],
    other: Bool[ndarray, "questions candidates"],
) -> Report:
    first_name, first = next(iter(found.items()))
    words = WORDS.format(
        questions=len(boxed), **{k: options[k] for k in ("prompts", "seed", "candidates", "noises")}
    )
    figures: dict[str, Any] = {"base_rate": float(boxed.mean())}
    text = words
    for number, measure in enumerate(MEASURES):
        reference = first[number].mean(axis=2)
        lines = {
            name: _line(each[number].mean(axis=2), reference, boxed, other) for name, each in found.items()
        }
        figures[measure] = lines
        text += f"By the {measure}:\n\n{_table(lines, first_name)}\n\n"
    moved, rises = first
    reference = rises.mean(axis=2)
    made_of = {
        name: _line(statistic(rises, before[None]), reference, boxed, other)
        for name, statistic in STATISTICS.items()
    }
    for count in TIMESTEPS:
        probe = spread_places(moved.shape[2], count)
        name = f"divergence at {count} timestep{'s' * (count > 1)}"
        made_of[name] = _line(moved[..., probe].mean(axis=2), reference, boxed, other)
    figures["statistics"] = made_of
    return Report(figures, text + MADE_OF + _table(made_of, "mean"))


def _line(scores: ndarray, reference: ndarray, boxed: ndarray, other: ndarray) -> dict[str, Any]:
    precision = _precision(scores, boxed)
    pictures = np.arange(len(precision)) // 2  # both objects of one are asked about, see `_relevant`
    apart = precision - _precision(reference, boxed)
    return {
        "precision": float(precision.mean()),
        "precision_interval": grouped_interval(precision, pictures),
        "other": float(_precision(scores, other).mean()),
        "apart": float(apart.mean()),
        "apart_interval": grouped_interval(apart, pictures),
        "spearman": float(np.mean([spearman(a, b) for a, b in zip(scores, reference, strict=True)])),
    }


def _table(lines: Mapping[str, Mapping[str, Any]], first: str) -> str:
    rows = [
        (
            name,
            f"{found['precision']:.3f} {interval(found['precision_interval'])}",
            f"{found['other']:.3f}",
            "" if name == first else f"{found['apart']:+.3f} {interval(found['apart_interval'])}",
            "" if name == first else f"{found['spearman']:.2f}",
        )
        for name, found in lines.items()
    ]
    header = ("", f"boxed precision@{TOP}", "other object", f"ahead of {first}", f"Spearman with {first}")
    return table(header, rows)
