"""The tests of an answer, as the page and a report show them."""

from __future__ import annotations

from app.runs.proofs import ITSELF, Proof
from app.views.counterfactual import picture_view, top_view
from attribution.methods.base import method


def proof_view(proof: Proof) -> str:
    """What a test has found, in pictures and figures."""
    if proof.kind == ITSELF:
        return picture_view(proof.check)
    return top_view(proof.check, f"the images that {method(proof.method).title} ranks first")
