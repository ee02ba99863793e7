"""AbU+: AbU with EK-FAC in place of the diagonal Fisher information (FastGDA, NeurIPS 2025)."""

from attribution.methods.abu import AbU

METHOD = AbU(
    name="abu-plus",
    title="Unlearning (AbU+)",
    description="The same with EK-FAC curvature: unlearning that knows which weights move together.",
    curvature="ekfac",
)
