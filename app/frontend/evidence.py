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
        f"By retraining a reference of the same images ({found.recipe}): without the first {found.k} that "
        f"it names for each of {found.targets} pictures, the loss on them rises by "
        f"{_percent(measured.removal)} beyond chance"
    )
    if measured.share is not None:
        words += f"; {_whole(measured.share)} of what images of the same objects do"
    return f"{words}.{_of_boxes(measured.boxed)}{_of_this_model(found.k, measured.same)}"


def _of_this_model(k: int, same: float | None) -> str:
    if same is None:
        return ""
    return f" Of the first {k} that it names under that reference, the full model shares {same:.0%}."


def _of_boxes(boxed: Estimate | None) -> str:
    if boxed is None:
        return ""
    if not boxed.low > 0:
        return " What it names for an object's box does not clearly hurt that object more than another."
    points = f"{100 * boxed.value:.1f} percentage points ({100 * boxed.low:.1f} to {100 * boxed.high:.1f})"
    return (
        f" Without what it names for an object's box, the loss inside it rises by {points} more than "
        "inside the box of the object beside it."
    )


def _whole(estimate: Estimate) -> str:
    value, low, high = (max(share, 0.0) for share in (estimate.value, estimate.low, estimate.high))
    return f"{value:.0%} ({low:.0%} to {high:.0%})"


def _percent(estimate: Estimate) -> str:
    return f"{estimate.value:.1%} ({estimate.low:.1%} to {estimate.high:.1%})"
