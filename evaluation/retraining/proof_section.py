"""What the evidence says of the page's test of an answer."""

from __future__ import annotations

from evaluation.markdown import table
from evaluation.retraining.evidence import Evidence
from evaluation.retraining.proof_lines import VERDICT, answers_of, held_out_line, proof_lines
from evaluation.retraining.written import Written

WORDS = """\
What a method names for a target is unlearned, and as controls random sets of the same size. *Borne out*: \
the target changes clearly more than 1.25 times as much as under the controls (their mean). *Retraining \
agrees* where the target's loss rises more without the method's union than without any random one. \
*Unrelated*: the same sets, held against the panel's controls. *Told apart*: how often an answer's figure, \
less that of its random sets, is above an unrelated picture's (area under the ROC curve). The rule was \
chosen on the pictures of even number. That an answer is not borne out says nothing against it.

"""


def proofs(evidence: Evidence) -> Written | None:
    series = evidence.main
    answers = [] if series is None else answers_of(series, evidence.proofs(series.panel))
    related = [answer for answer in answers if answer.related]
    if not (lines := proof_lines(answers)):
        return None
    named = [(x.figure, x) for x in lines]
    if (others := held_out_line(answers)) is not None:
        named.append((f"{VERDICT}, pictures that the rule was not chosen on", others))
    rows = [
        (name, str(x.answers), f"{x.borne_out:.0%}", _share(x.agreed), f"{x.correlation:.2f}",
         str(x.unrelated), _share(x.false), "" if x.told_apart is None else f"{x.told_apart:.3f}")
        for name, x in named
    ]  # fmt: skip
    header = (
        "judged by", "answers", "borne out", "retraining agrees", "Spearman with the effect",
        "unrelated pictures", "borne out", "told apart",
    )  # fmt: skip
    page = next(x for x in lines if x.figure == VERDICT)
    plainly = (
        f"Judged by the {page.figure}, as on the page, the test calls {page.borne_out:.0%} of "
        f"{page.answers} answers borne out, and retraining agrees in {_share(page.agreed)} of those; of "
        f"{page.unrelated} pictures that have nothing to do with what was unlearned, {_share(page.false)}."
    )
    held = f"By retraining, {sum(x.depends for x in related)} of {len(related)} answers hold."
    return Written(f"{WORDS}{held}\n\n{table(header, rows)}", f"{held} {plainly}")


def _share(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.0%}"
