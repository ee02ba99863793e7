"""The methods that rank by a head which customised models tuned for attribution (AbC; Wang et al. 2023).

A score is a share: the softmax of the cosines at the head's temperature, over the whole training set, so
that the scores of all images are 1 in all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from attribution.encoders.tuned import TunedEncoder
from attribution.gradients.query_context import QueryContext
from attribution.methods.likeness import Likeness
from attribution.query import Candidates
from attribution.results import APPROXIMATE, SHARES, Progress, Scores


@dataclass(frozen=True)
class TunedLikeness(Likeness):
    """Likeness by a tuned encoder's vectors, as shares."""

    shortlists: bool = False

    def score(self, context: QueryContext, candidates: Candidates) -> Iterator[Progress | Scores]:
        encoder = context.workspace.encoder(self.encoder)
        assert isinstance(encoder, TunedEncoder)
        for event in super().score(context, candidates):
            yield self._shared(context, encoder, event) if isinstance(event, Scores) else event

    def _shared(self, context: QueryContext, encoder: TunedEncoder, found: Scores) -> Scores:
        """The same with shares for cosines: of all images, or of the nearest where no others were found."""
        details: dict[str, Any] = {**found.details, "temperature": encoder.temperature, SHARES: True}
        images, among = len(context.workspace.training_set), found.values
        if APPROXIMATE not in found.details and len(found.rows) < images:
            neighbours = context.workspace.load(self.artifact).neighbours
            among = neighbours.scores(self.query_vector(context), np.arange(images))
        return Scores(found.rows, encoder.shares(found.values, among), details=details)


METHODS = tuple(
    TunedLikeness(
        name=f"{encoder}-tuned",
        title=f"{encoder.upper()}, tuned",
        description=f"{encoder.upper()} image vectors behind a linear head that was taught, by customised "
        "models, what pictures came from. A score is a share of the whole training set.",
        encoder=f"{encoder}-tuned",
    )
    for encoder in ("clip", "dino")
)
