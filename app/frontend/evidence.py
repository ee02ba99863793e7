"""What retraining found of a method, in words that stand beside what the method says."""

from __future__ import annotations

from attribution.analysis.evidence import Estimate, Evidence

NOT_MEASURED = "By retraining: not measured for this model."


def evidence_in_words(found: Evidence | None, name: str) -> str:
    """A sentence or two on one method; says so where nothing was measured.

    Args:
        found: for the model of the answer.
    """
    measured = None if found is None else found.of(name)
    if found is None or measured is None or measured.removal is None:
        return NOT_MEASURED
    words = (
        f"By retraining ({found.recipe}): without the first {found.k} images that it names for each of "
        f"{found.targets} pictures, the model's loss on them rises by {_percent(measured.removal)} beyond "
        "chance"
    )
    if measured.share is not None:
        words += f"; {max(measured.share.value, 0.0):.0%} of what images of the same objects do"
    return f"{words}."


def _percent(estimate: Estimate) -> str:
    return f"{estimate.value:.1%} ({estimate.low:.1%} to {estimate.high:.1%})"
