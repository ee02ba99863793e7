"""What the evidence says of the page's test of an answer."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.markdown import table
from evaluation.retraining.panel import CONTROL
from evaluation.retraining.report.evidence import Evidence
from evaluation.retraining.report.proof_lines import (
    VERDICT,
    Answer,
    ProofLine,
    answers_of,
    held_out_line,
    proof_lines,
)
from evaluation.retraining.report.written import Written

WORDS = """\
What a method names for a target is unlearned, and as controls random sets of the same size. *Borne \
out*: the target changes clearly more than 1.25 times as much as under the controls (their mean). An \
answer *holds by retraining* where the target's loss rises more without the method's union, which is of \
its answers for all targets at once, than without random ones, more than luck makes: a one-sided t test \
at 5%, of the mean over the seeds that it was trained from. *Always*: it rises more than without any \
random union, from every seed; the more seeds and random unions there are, the fewer answers do, true \
ones too. *Unrelated*: the same sets, held against the panel's controls. *Told apart*: how often an \
answer's figure, less that of its random sets, is above an unrelated picture's (area under the ROC \
curve). The rule was chosen on the pictures of even number. That an answer is not borne out says nothing \
against it.

"""


def proofs(evidence: Evidence) -> Written | None:
    series = evidence.main
    answers = [] if series is None else answers_of(series, evidence.proofs(series.panel))
    if not (lines := proof_lines(answers)):
        return None
    named = [(x.figure, x) for x in lines]
    others = held_out_line(answers)
    if others is not None:
        named.append((f"{VERDICT}, pictures that the rule was not chosen on", others))
    rows = [
        (name, str(x.answers), f"{x.borne_out:.0%}", _share(x.agreed), _share(x.otherwise),
         _share(x.always), f"{x.correlation:.2f}", str(x.unrelated), _share(x.false),
         "" if x.told_apart is None else f"{x.told_apart:.3f}")
        for name, x in named
    ]  # fmt: skip
    header = (
        "judged by", "answers", "borne out", "hold by retraining, of those", "of the others",
        "always, of those", "Spearman with the effect", "unrelated pictures", "borne out", "told apart",
    )  # fmt: skip
    page = next(x for x in lines if x.figure == VERDICT)
    held = _held(answers)
    plainly = (
        f"Judged by the {page.figure}, as on the page, the test calls {page.borne_out:.0%} of "
        f"{page.answers} answers borne out{_of_others(others)}, and {_share(page.false)} of "
        f"{page.unrelated} pictures that have nothing to do with what was unlearned. {held} Answers "
        f"hold in {_share(page.agreed)} of those that the test calls borne out ({_share(page.always)} "
        f"from every seed), and in {_share(page.otherwise)} of the others."
    )
    return Written(f"{WORDS}{held}\n\n{table(header, rows)}", plainly)


def _held(answers: Sequence[Answer]) -> str:
    """How many answers hold by retraining, and how many do for pictures that nothing was named for."""
    related = [answer for answer in answers if answer.related]
    pairs = {(a.method, a.own.picture): a for a in answers if a.own.picture.startswith(CONTROL)}
    said = f"By retraining, {_counts(related)} answers hold"
    by_luck = f"; of pictures that nothing was named for, {_counts([*pairs.values()])} do."
    return said + (by_luck if pairs else ".")


def _counts(answers: Sequence[Answer]) -> str:
    held, always = sum(a.depends for a in answers), sum(a.always for a in answers)
    return f"{held} of {len(answers)} ({always} from every seed)"


def _of_others(line: ProofLine | None) -> str:
    return "" if line is None else (
        f" ({line.borne_out:.0%} of the {line.answers} on whose pictures its rule was not chosen)"
    )  # fmt: skip


def _share(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.0%}"
