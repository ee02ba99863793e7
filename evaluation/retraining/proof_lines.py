"""Whether the page's test of an answer agrees with retraining, answer by answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.retraining.evidence import Series
from evaluation.retraining.panel import TARGET
from evaluation.retraining.plans import CHANCE
from evaluation.retraining.proofs import Proof, Shown
from evaluation.statistics import spearman

CLEAR = 2.0  # standard errors between two figures that are told apart, as on the page

Figure = Callable[[Shown], tuple[float, float]]  # a figure and its standard error
FIGURES: dict[str, Figure] = {
    "rise of the loss": lambda shown: (shown.rise, shown.rise_stderr),
    "change of the predictions": lambda shown: (shown.moved, shown.moved_stderr),
    "change of the pixels": lambda shown: (shown.pixels, 0.0),
}


@dataclass(frozen=True)
class Answer:
    """One method's answer about one target.

    Attributes:
        effect: of retraining without the union of the methods' answers, on this target's loss, beyond
            the mean of the random unions.
        depends: whether it is above every random union's.
        own, controls: what unlearning showed.
    """

    method: str
    effect: float
    depends: bool
    own: Shown
    controls: tuple[Shown, ...]


@dataclass(frozen=True)
class ProofLine:
    """How one figure of the test does as a verdict over all answers.

    Attributes:
        borne_out, refuted: how many answers the test calls so; beyond what its error allows.
        right_yes, right_no: of those, how many retraining agrees with.
        correlation: Spearman of the figure with the effect, the mean over targets of that over methods.
    """

    figure: str
    answers: int
    borne_out: int
    right_yes: int
    refuted: int
    right_no: int
    correlation: float


def answers_of(series: Series, proofs: Mapping[str, Proof]) -> list[Answer]:
    """Every answer that was tested in both ways, for the K of the proofs."""
    chance = proofs.get(CHANCE)
    if chance is None:
        return []
    unions = series.chance(chance.k)
    if not unions or any(job.seed not in series.references for job, _ in unions):
        return []
    random = np.stack([series.rises(each) for each in unions])
    answers = []
    for name, proof in proofs.items():
        removal = series.select(kind="union", method=name, k=chance.k)
        if name == CHANCE or proof.k != chance.k or not removal:
            continue
        rises, own = series.rises(removal[0]), {shown.picture: shown for shown in proof.shown}
        for row in series.panel.rows(TARGET):
            picture = series.panel.pictures[row].name
            controls = tuple(shown for shown in chance.shown if shown.picture == picture)
            effect, depends = rises[row] - random[:, row].mean(), rises[row] > random[:, row].max()
            answers.append(Answer(name, float(effect), bool(depends), own[picture], controls))
    return answers


def proof_lines(answers: Sequence[Answer]) -> list[ProofLine]:
    """What each figure would say, as the page's verdict does of its own."""
    return [_line(name, figure, answers) for name, figure in FIGURES.items()] if answers else []


def _line(name: str, figure: Figure, answers: Sequence[Answer]) -> ProofLine:
    verdicts = [_verdict(figure, answer) for answer in answers]
    yes = [answer.depends for answer, said in zip(answers, verdicts, strict=True) if said is True]
    no = [not answer.depends for answer, said in zip(answers, verdicts, strict=True) if said is False]
    pictures = dict.fromkeys(answer.own.picture for answer in answers)
    by_picture = [[a for a in answers if a.own.picture == picture] for picture in pictures]
    correlations = [
        spearman(np.array([figure(a.own)[0] for a in some]), np.array([a.effect for a in some]))
        for some in by_picture
        if len(some) > 2
    ]
    mean = float(np.mean(correlations)) if correlations else 0.0
    return ProofLine(name, len(answers), len(yes), sum(yes), len(no), sum(no), mean)


def _verdict(figure: Figure, answer: Answer) -> bool | None:
    """Borne out by every control, or refuted by one; None where the error allows neither."""
    own = figure(answer.own)
    controls = [figure(each) for each in answer.controls]
    if all(_above(own, control) for control in controls):
        return True
    return False if any(_above(control, own) for control in controls) else None


def _above(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] - other[0] > CLEAR * float(np.hypot(one[1], other[1]))
