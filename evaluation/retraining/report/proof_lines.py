"""Whether the page's test of an answer agrees with retraining, answer by answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import t as student

from attribution.analysis.counterfactual import CounterfactualSettings
from attribution.analysis.verdict import bears_out
from evaluation.retraining.panel import CONTROL, TARGET
from evaluation.retraining.plans import CHANCE
from evaluation.retraining.proofs import Proof, Shown
from evaluation.retraining.report.effects import LEVEL, Trained, removals_of
from evaluation.retraining.report.evidence import Series
from evaluation.statistics import auc, spearman

VERDICT = "change of the predictions"  # what the page's verdict is drawn from
ROLES = (TARGET, CONTROL)
CONTROLS = CounterfactualSettings().controls

Figure = Callable[[Shown], tuple[float, float]]  # a figure and its standard error
FIGURES: dict[str, Figure] = {
    "rise of the loss": lambda shown: (shown.rise, shown.rise_stderr),
    VERDICT: lambda shown: (shown.moved, shown.moved_stderr),
    "change of the pixels": lambda shown: (np.nan if shown.pixels is None else shown.pixels, 0.0),
}


@dataclass(frozen=True)
class Answer:
    """What one method names for one target, held against a picture: that target, or an unrelated one.

    Attributes:
        effect: of retraining without the union of the method's answers for all targets, on the picture's
            loss, beyond the mean of the random unions; the mean over the seeds that it was trained from.
        depends: whether that is more than luck makes of it, as `beyond_luck` has it.
        always: whether it is above every random union's, from each of these seeds: the stricter, the more
            seeds and random unions there are.
        own, controls: what unlearning what was named showed of the picture, and unlearning random sets.
    """

    method: str
    effect: float
    depends: bool
    always: bool
    own: Shown
    controls: tuple[Shown, ...]

    @property
    def related(self) -> bool:
        return self.own.named_for == self.own.picture


@dataclass(frozen=True)
class ProofLine:
    """How one figure of the test does as a verdict over some answers.

    The page compares with `CONTROLS` random sets: shares are means over all choices of so many.

    Attributes:
        answers: how many were tested.
        borne_out: the share that the test calls so.
        agreed: of those, the share that retraining bears out too; None where there is none.
        always: the same by the stricter reading of it.
        otherwise: of the others, the share that retraining bears out; None where there is none.
        correlation: Spearman of the figure with the effect, the mean over targets of that over methods.
        unrelated: how often a set was held against a picture that it was not named for.
        false: the share of those that the test calls borne out.
        told_apart: how often an answer's figure, less the mean of its controls', is above an unrelated
            pair's (the area under the ROC curve); None without any.
    """

    figure: str
    answers: int
    borne_out: float
    agreed: float | None
    always: float | None
    otherwise: float | None
    correlation: float
    unrelated: int
    false: float | None
    told_apart: float | None


def answers_of(series: Series, proofs: Mapping[str, Proof]) -> list[Answer]:
    """Every answer that was tested in both ways, for the K of the proofs."""
    chance = proofs.get(CHANCE)
    if chance is None:
        return []
    answers = []
    for name, proof in proofs.items():
        removals = removals_of(series, name, chance.k)
        if name == CHANCE or proof.k != chance.k or not removals:
            continue
        found = [
            Trained(
                series.rises(removal),
                np.stack([series.rises(each) for each in series.chance(chance.k, seed=seed)]),
            )
            for seed, removal in removals.items()
        ]
        effects, depend = np.mean([each.beyond for each in found], axis=0), beyond_luck(found) < 1 - LEVEL
        always = np.all([each.removal > each.chance.max(axis=0) for each in found], axis=0)
        row_of = {series.panel.pictures[k].name: k for role in ROLES for k in series.panel.rows(role)}
        for own in (*proof.shown, *proof.unrelated):
            row = row_of[own.picture]
            controls = tuple(x for x in (*chance.shown, *chance.unrelated) if x.picture == own.picture)
            truth = float(effects[row]), bool(depend[row]), bool(always[row])
            answers.append(Answer(name, *truth, own, controls))
    return answers


def beyond_luck(trained: Sequence[Trained]) -> Float[ndarray, " pictures"]:
    """P values, one-sided: that what a removal does to a picture is what random ones do on average.

    A t test picture by picture. The statistic is the mean over the seeds of what the removal does beyond
    the mean of its seed's random ones; the spread is that of the random ones about their seed's mean. That
    is luck of training and what one random set differs from another, so that the level is kept, and more
    seeds make it surer. One more random set is not what random ones are on average: such a set, trained
    from several seeds, is called out somewhat oftener.
    """
    freedom = sum(len(each.chance) - 1 for each in trained)
    if not freedom:
        return np.ones(trained[0].removal.shape)
    squares = np.sum(
        [np.square(each.chance - each.chance.mean(axis=0)).sum(axis=0) for each in trained], axis=0
    )
    share = sum(1 + 1 / len(each.chance) for each in trained) / len(trained) ** 2
    beyond = np.mean([each.beyond for each in trained], axis=0)
    p: Float[ndarray, " pictures"] = student.sf(beyond / np.sqrt(squares / freedom * share), freedom)
    return p


def proof_lines(answers: Sequence[Answer]) -> list[ProofLine]:
    """What each figure would say, by the rule of the page's verdict."""
    return [_line(name, answers) for name in FIGURES] if answers else []


def held_out_line(answers: Sequence[Answer]) -> ProofLine | None:
    """What the page's verdict says of the pictures that its rule was not chosen on: every other one."""
    others = [answer for answer in answers if int(answer.own.picture.rpartition("-")[2]) % 2]
    return _line(VERDICT, others) if others else None


def _line(name: str, everything: Sequence[Answer]) -> ProofLine:
    figure = FIGURES[name]
    answers = [answer for answer in everything if answer.related]
    unrelated = [a for a in everything if not a.related and np.isfinite(figure(a.own)[0])]
    said = np.array([_borne_out(figure, answer) for answer in answers])
    depends, always = (np.array([getattr(a, name) for a in answers]) for name in ("depends", "always"))
    apart = [[_beyond_controls(figure, answer) for answer in some] for some in (answers, unrelated)]
    return ProofLine(
        figure=name,
        answers=len(answers),
        borne_out=float(said.mean()),
        agreed=float(said[depends].sum() / said.sum()) if said.any() else None,
        always=float(said[always].sum() / said.sum()) if said.any() else None,
        otherwise=float((1 - said)[depends].sum() / (1 - said).sum()) if (said < 1).any() else None,
        correlation=_correlation(figure, answers),
        unrelated=len(unrelated),
        false=float(np.mean([_borne_out(figure, each) for each in unrelated])) if unrelated else None,
        told_apart=auc(*map(np.array, apart)) if unrelated else None,
    )


def _borne_out(figure: Figure, answer: Answer) -> float:
    """The share of the choices of controls by which an answer is borne out."""
    own, controls = figure(answer.own), [figure(each) for each in answer.controls]
    return float(np.mean([bears_out(own, some) for some in combinations(controls, CONTROLS)]))


def _beyond_controls(figure: Figure, answer: Answer) -> float:
    return figure(answer.own)[0] - float(np.mean([figure(each)[0] for each in answer.controls]))


def _correlation(figure: Figure, answers: Sequence[Answer]) -> float:
    """Spearman with the effect over methods, the mean over targets."""
    pictures = dict.fromkeys(answer.own.picture for answer in answers)
    by_picture = [[a for a in answers if a.own.picture == picture] for picture in pictures]
    found = [
        spearman(np.array([figure(a.own)[0] for a in some]), np.array([a.effect for a in some]))
        for some in by_picture
        if len(some) > 2
    ]
    return float(np.mean(found)) if found else 0.0
