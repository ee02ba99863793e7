"""The tests of an answer, as the page and a report show them."""

from __future__ import annotations

from app.runs.proofs import ITSELF, Proof
from app.runs.run import Run
from app.views.counterfactual import Beside, picture_view, top_view
from attribution.methods.base import method
from attribution.methods.finding import finding_of

FIRST = 6  # training images beside the slider


def proof_view(proof: Proof, run: Run | None = None, at_work: bool = False) -> str:
    """What a test has found, in pictures and figures.

    Args:
        run: that is tested, for a slider with what it found beside; None for none, as in a report.
        at_work: more is on its way.
    """
    if proof.kind == ITSELF:
        return picture_view(proof.check)
    beside = None if run is None else beside_slider(proof, run)
    return top_view(proof.check, ranked_by(proof), beside, at_work)


def ranked_by(proof: Proof) -> str:
    """What the images that were unlearned are."""
    return f"the images that {method(proof.method).title} ranks first"


def beside_slider(proof: Proof, run: Run) -> Beside:
    """The sentence of the part that was tested, and the first images that were unlearned."""
    part = next(part for part in run.parts if part.label == proof.part)
    found = finding_of(part.rankings)
    ranking, outcome = part.rankings.get(proof.method), proof.check.outcome
    number = 0 if ranking is None or outcome is None else min(FIRST, len(outcome.ids))
    entries = [] if ranking is None else ranking.entries[:number]
    return Beside(
        "" if found is None else found.sentence, [(entry.row, entry.caption) for entry in entries]
    )
