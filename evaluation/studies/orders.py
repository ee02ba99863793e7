"""By what should measured images be ordered: their scores, or their scores against their errors?

Every score has a standard error, and an image can come first because its measurement went astray. The
boxed answers of a locality run are put in other orders, and the precision of the first images is compared
prompt by prompt. Nothing is measured again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float64
from numpy import ndarray

from attribution.errors import SettingsError
from attribution.workspace.workspace import Workspace
from evaluation.markdown import interval, table
from evaluation.protocols.locality import precision, scenes_by_object
from evaluation.reports import Report
from evaluation.statistics import mean_interval
from evaluation.studies import Kept

TOP = 20
Values = Float64[ndarray, " images"]
WORDS = """\
{prompts} prompts of the locality protocol, both boxes, {methods}. Precision@{top} of the same measured \
scores in several orders; *difference* is from the order by score, with 95% bootstrap intervals over \
prompts.

"""


def shrunk(scores: Values, errors: Values) -> Values:
    """Posterior means under a normal prior whose variance is what the errors leave of the scores'.

    Empirical Bayes (Efron and Morris, 1973): what is measured badly is drawn to the mean.
    """
    prior = max(float(scores.var() - np.mean(errors**2)), 0.0)
    mean, weight = scores.mean(), prior / (prior + errors**2)
    return np.asarray(mean + (scores - mean) * weight)


def denied_last(errors_apart: float) -> Callable[[Values, Values], Values]:
    """By score, but first those whose score is at least so many of its errors above nothing."""

    def order(scores: Values, errors: Values) -> Values:
        return np.where(scores < errors_apart * errors, scores - np.ptp(scores) - 1, scores)

    return order


ORDERS: Mapping[str, Callable[[Values, Values], Values]] = {
    "score": lambda scores, errors: scores,
    "score, those below one error last": denied_last(1),
    "score, those below two errors last": denied_last(2),
    "score, those below three errors last": denied_last(3),
    "score less half its error": lambda scores, errors: scores - errors / 2,
    "score less its error": lambda scores, errors: scores - errors,
    "score shrunk by its error": shrunk,
    "score over its error": lambda scores, errors: scores / errors,
}


class Orders:
    name = "orders"
    description = "precision of a locality run's answers, ordered by more than their scores"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--answers", type=Path, default=Path("build/evaluation/locality"), metavar="DIR",
            help="the folder of a locality run",
        )  # fmt: skip
        parser.add_argument(
            "--methods", nargs="+", default=["divergence", "abu", "abu-plus"], metavar="METHOD"
        )

    def run(
        self, workspace: Workspace, options: Mapping[str, Any], kept: Kept
    ) -> Generator[str, None, Report]:
        shows = scenes_by_object(workspace)
        rows, figures, prompts = [], [], 0
        for method in options["methods"]:
            yield f"ordering the answers of {method}"
            found = np.array([
                [_precision(answer, method, order, shows) for order in ORDERS.values()]
                for answer in _answers(options["answers"], method)
            ]).reshape(-1, 2, len(ORDERS)).mean(axis=1)  # fmt: skip
            prompts = len(found)
            for number, name in enumerate(ORDERS):
                apart = found[:, number] - found[:, 0]
                bounds = mean_interval(apart)
                reached, difference = float(found[:, number].mean()), float(apart.mean())
                gain = f"{difference:+.3f} {interval(bounds)}" if number else ""
                rows.append((f"`{method}`", name, f"{reached:.3f}", gain))
                figures.append(
                    {
                        "method": method,
                        "order": name,
                        "precision": reached,
                        "difference": difference,
                        "difference_interval": bounds,
                    }
                )
        named = ", ".join(options["methods"])
        text = WORDS.format(prompts=prompts, methods=named, top=TOP)
        lines = table(("method", "ordered by", f"precision@{TOP}", "difference"), rows)
        return Report({"prompts": prompts, "rows": figures}, text + lines)


STUDIES = (Orders(),)


def _answers(folder: Path, method: str) -> Iterator[Mapping[str, Any]]:
    """Both boxes of each prompt that is answered, prompt by prompt.

    Raises:
        SettingsError: the method has not answered, or gives its scores no errors.
    """
    found = 0
    for left in sorted(folder.glob("prompt-*-left.json")):
        paths = (left, left.with_name(left.name.replace("-left", "-right")))
        both = [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]
        if len(both) < 2 or any(method not in answer["methods"] for answer in both):
            continue
        if any(None in answer["methods"][method]["stderr"] for answer in both):
            raise SettingsError(f"{method} gives its scores no standard errors: name others by --methods")
        found += 1
        yield from both
    if not found:
        raise SettingsError(
            f"{folder} has no answers of {method}: run `python -m evaluation locality` with it first, or "
            "name another --answers"
        )


def _precision(
    answer: Mapping[str, Any],
    method: str,
    order: Callable[[Values, Values], Float[ndarray, " images"]],
    shows: Mapping[str, frozenset[str]],
) -> float:
    """Of the images ordered first, those that show the boxed object."""
    facts, ranked = answer["facts"], answer["methods"][method]
    values = order(np.array(ranked["scores"], float), np.array(ranked["stderr"], float))
    ids = [ranked["ids"][i] for i in np.argsort(-values, kind="stable")]
    return precision(TOP, ids, facts, facts["asked"], shows)
