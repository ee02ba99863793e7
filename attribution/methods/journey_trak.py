"""Journey-TRAK (Georgiev et al. 2023, arXiv 2312.06205): TRAK along the way on which the picture was made.

At each step of generating the picture, the query's sample is what the model took the clean picture to be,
`x0_hat_t`, and its loss is measured at the timestep of that step:

    phi_q = mean over steps of P^T grad_theta E_e || e - eps_theta(s_t x0_hat_t + n_t e, t) ||^2,

s_t and n_t the scalings of signal and noise (whatever the model predicts in place of the noise).

The paper's full text was not at hand: the loss at `x0_hat_t` and the mean over steps are our reading of it.

Training images have TRAK's features. A picture that was not made by this model has no such way.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from attribution.analysis.significance import Null
from attribution.errors import ModelError, SettingsError
from attribution.gradients.features import TRAK, Features
from attribution.gradients.query_context import QueryContext
from attribution.gradients.whole import probe_batch
from attribution.methods.trak import Trak, TrakOptions
from attribution.models.base import Objective
from attribution.models.batch import Batch, Conditioning
from attribution.models.draws import Probe
from attribution.query import Candidates, Generation, Query, Settings
from attribution.results import Progress, Scores
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.cache import Cache
from attribution.workspace.workspace import Workspace

Journey = list[tuple[int, Float[Tensor, "1 c h w"]]]  # (timestep, what the picture was taken to be)


@dataclass(frozen=True)
class JourneyOptions(TrakOptions):
    """How projected gradients along the way are compared.

    Attributes:
        noises: of the query's gradient, at each step; two or more give a standard error.
        damping: lambda as a share of the mean eigenvalue of `Phi^T Phi / n`.
        steps: of generating the picture that are looked at, evenly spread; all if there are no more.
    """

    noises: int = 4
    steps: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps < 1:
            raise SettingsError(f"steps is {self.steps}: it must be at least 1")


@dataclass(frozen=True)
class JourneyTrak(Trak):
    """TRAK of the steps of a generation."""

    name: str = "journey-trak"
    title: str = "Journey-TRAK"
    description: str = (
        "TRAK asked along the way: of what the picture looked like to the model at each step of making it."
    )
    kind: ArtifactKind[Features] = TRAK
    objective: Objective = Objective.LOSS
    options: JourneyOptions = field(default_factory=JourneyOptions)

    def refusal(self, query: Query) -> str | None:
        if query.generation is not None:
            return None
        return (
            f"{self.name} follows the steps in which a picture was made, and how this one was made is not "
            "known: ask about a picture that the model makes from a prompt, or choose another method"
        )

    def score(self, context: QueryContext, candidates: Candidates) -> Iterator[Progress | Scores]:
        assert context.query.generation is not None, "checked before it is asked"
        made = {"generation": asdict(context.query.generation)}
        for event in super().score(context, candidates):
            yield replace(event, details={**event.details, **made}) if isinstance(event, Scores) else event

    def null(self, workspace: Workspace, settings: Settings) -> Null | None:
        """None: training images were not made on the way that a query is followed on."""
        return None

    def _draws(
        self, context: QueryContext, timesteps: tuple[int, ...], noises: int
    ) -> Generator[Progress, None, Batch]:
        model, steps = context.workspace.model, context.settings.options_of(self).steps
        assert context.query.generation is not None, "checked before it is asked"
        journey = yield from self._journey(context, context.query.generation)
        count = min(steps, len(journey))
        chosen = [(2 * k + 1) * len(journey) // (2 * count) for k in range(count)]
        told = model.encode_captions([context.query.generation.prompt])
        parts = []
        for number in chosen:
            time, clean = journey[number]
            probe = Probe((time,), noises, context.settings.seed)
            parts.append(probe_batch(model, clean.cpu(), told, f"query at step {number + 1}", probe))
        return Batch(
            torch.cat([part.latents for part in parts]),
            Conditioning.concatenated([part.conditioning for part in parts]),
            torch.cat([part.noise for part in parts]),
            torch.cat([part.times for part in parts]),
        )

    def _journey(self, context: QueryContext, generation: Generation) -> Generator[Progress, None, Journey]:
        """Yield progress; return every step, a function of the generation and the model alone."""
        remembered: Cache[Journey] = context.workspace.cache("journeys")
        key = f"{context.workspace.fingerprints['model']} {context.workspace.device} {generation}"
        known = remembered.get(key)
        if known is not None:
            return known
        journey = []
        for step in context.workspace.model.generate(generation):
            if step.clean is None or step.time is None:
                raise ModelError(
                    f"this model does not say what its steps look like: {self.name} needs them"
                )
            journey.append((step.time, step.clean))
            yield Progress(self.name, "making the picture again", step.done, step.total)
        remembered.put(key, journey)
        return journey


METHODS = (JourneyTrak(),)
