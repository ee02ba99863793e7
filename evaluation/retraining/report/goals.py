"""What was hoped for before anything was trained, and whether it came true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from attribution.methods.base import DEFAULT
from evaluation.markdown import interval, percent, table
from evaluation.retraining.report.contrasts import boxed_lines
from evaluation.retraining.report.effects import removed
from evaluation.retraining.report.evidence import Evidence, Series
from evaluation.retraining.report.lds import scored
from evaluation.retraining.report.leads import leads
from evaluation.retraining.report.proof_lines import VERDICT, answers_of, proof_lines
from evaluation.retraining.report.written import Written

RIVALS = ("dino", "clip", "trak", "d-trak")
LEAST_SHARE, LEAST_LDS, LEAST_AGREED = 0.5, 0.3, 0.9
WORDS = f"""\
Set before the first model was trained, of whatever method would be the default, now `{DEFAULT}`, and not \
moved since. What was tried to come nearer stands in [EVALUATION.md](EVALUATION.md): twenty ways to \
unlearn and to score, orders by more than the score, a network that chooses what is measured.

"""


@dataclass(frozen=True)
class Outcome:
    """What was found, and whether it is what was hoped for."""

    found: str
    met: bool


Check = Callable[[Evidence, Series], Outcome | None]


def goals(evidence: Evidence) -> Written | None:
    """Each goal beside what is recorded; None before anything is known of one."""
    series = evidence.main
    if series is None or not series.references:
        return None
    outcomes = {hoped: check(evidence, series) for hoped, check in GOALS.items()}
    rows = [
        (hoped, *(("not measured", "") if found is None else (found.found, "yes" if found.met else "no")))
        for hoped, found in outcomes.items()
    ]
    if not any(outcomes.values()):
        return None
    met, missed, unknown = (
        [hoped for hoped, found in outcomes.items() if (None if found is None else found.met) is wanted]
        for wanted in (True, False, None)
    )
    plainly = f"{len(met)} of {len(outcomes)} goals came true." + "".join(
        f" {title}: {'; '.join(some)}."
        for title, some in (("Missed", missed), ("Not measured", unknown))
        if some
    )
    return Written(WORDS + table(("hoped for", "found", "came true"), rows), plainly)


def _ahead(_: Evidence, series: Series) -> Outcome | None:
    told, met = [], True
    for k in (int(k) for k in series.values("k", "union") if k):
        known = [(x, x.interval) for x in leads(series, k) if x.method in RIVALS and x.interval is not None]
        if {lead.method for lead, _ in known} != set(RIVALS):
            continue
        each = ", ".join(f"`{lead.method}` {percent(lead.value, ends)}" for lead, ends in known)
        told.append(f"K = {k}: {each}")
        met &= all(ends[0] > 0 for _, ends in known)
    return Outcome("; ".join(told), met) if told else None


def _share(evidence: Evidence, _: Series) -> Outcome | None:
    shares = [
        (line.k, *line.share) for line in evidence.once(removed) if line.method == DEFAULT and line.share
    ]
    if not shares:
        return None
    told = "; ".join(f"K = {k}: {value:.2f} {interval(ends, 2)}" for k, value, ends in shares)
    return Outcome(told, all(value >= LEAST_SHARE for _, value, _ in shares))


def _datamodel(evidence: Evidence, _: Series) -> Outcome | None:
    lines = evidence.once(scored)
    place = {line.method: n for n, line in enumerate(lines)}
    if DEFAULT not in place:
        return None
    own, best = lines[place[DEFAULT]], lines[0]
    first = "the highest" if own is best else f"behind `{best.method}`, {best.score:.3f}"
    return Outcome(
        f"{own.score:.3f} {interval(own.interval)}, {first}", own is best and own.score > LEAST_LDS
    )


def _boxes(_: Evidence, series: Series) -> Outcome | None:
    found = [line for line in boxed_lines(series) if line.method == DEFAULT]
    if not found:
        return None
    told = "; ".join(f"K = {line.k}: {line.words}" for line in found)
    return Outcome(told, all(line.verdict == "selective" for line in found))


def _agreed(evidence: Evidence, series: Series) -> Outcome | None:
    """By both readings of holding: one alone would be a choice made after the fact."""
    answers = answers_of(series, evidence.proofs(series.panel))
    line = next((line for line in proof_lines(answers) if line.figure == VERDICT), None)
    if line is None or line.agreed is None or line.always is None:
        return None
    every = np.mean([answer.depends for answer in answers if answer.related])
    told = f"{line.agreed:.0%} by a t test, by which {every:.0%} of all answers do; "
    told += f"{line.always:.0%} from every seed"
    return Outcome(told, min(line.agreed, line.always) >= LEAST_AGREED)


GOALS: dict[str, Check] = {
    "without what it names, the targets' loss rises more than without what each of "
    f"{', '.join(f'`{name}`' for name in RIVALS)} names, by intervals without zero": _ahead,
    f"its effect is at least {LEAST_SHARE} of the oracle's": _share,
    f"its linear datamodeling score is the highest, and above {LEAST_LDS}": _datamodel,
    "what it names for a box hurts that object more than the other, by an interval without zero": _boxes,
    f"of the answers that the page's test calls borne out, {LEAST_AGREED:.0%} hold by retraining, by "
    "either reading of that (a t test; from every seed)": _agreed,
}
