"""A query of a workspace, and what is computed of it once: its tensors and its gradient."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from attribution.gradients.draw_gradient import QueryGradient, gradient_over_draws
from attribution.models.batch import Conditioning
from attribution.models.draws import stratified_draws
from attribution.query import Box, Query, Settings
from attribution.results import Progress
from attribution.workspace.cache import Cache
from attribution.workspace.workspace import Workspace

GRADIENT_DRAWS = 256  # of a query's gradient, unless a method is asked with others
TARGET_RISE = 0.10  # of the query's own loss: how far it is unlearned, unless a method is asked otherwise


@dataclass(frozen=True)
class QueryContext:
    """What every method is given: who is asked, what, and how.

    The tensors are scaled as the training images' are, and computed when first asked for; the gradient is
    remembered by the workspace, since several methods ask for the same one and a person asks again.
    """

    workspace: Workspace
    query: Query
    settings: Settings

    def about(self, query: Query) -> QueryContext:
        """Return the context of another query, asked in the same way."""
        return replace(self, query=query)

    @property
    def batch_size(self) -> int:
        """Draws of one pass, at most: what was asked for, as far as the workspace's machine allows."""
        return min(self.settings.batch_size, self.workspace.batch_size)

    @property
    def whole(self) -> QueryContext:
        """The same picture asked about as a whole."""
        return self if self.query.box is None else self.about(replace(self.query, box=None))

    @cached_property
    def picture(self) -> Image.Image:
        """The query's picture as the model's square."""
        return self.workspace.prepared(self.query.image)

    @cached_property
    def box(self) -> Box | None:
        """The box in fractions of the model's square; None for the whole picture."""
        box = self.query.box
        if box is None:
            return None
        return self.workspace.config.preparation.box_in_prepared(box, self.query.image.size)

    @cached_property
    def latent(self) -> Float[Tensor, "1 c h w"]:
        """The picture as the denoiser sees it."""
        return self.workspace.model.encode_images([self.picture])

    @cached_property
    def conditioning(self) -> Conditioning:
        """The caption as the denoiser sees it."""
        return self.workspace.model.encode_captions([self.query.caption])

    @cached_property
    def mask(self) -> Float[Tensor, "h w"] | None:
        """Ones in the latent cells that the box touches; None for the whole picture.

        Local attribution is the query's own loss restricted to the box, not the loss of the crop.
        """
        if self.box is None:
            return None
        model = self.workspace.model
        return torch.from_numpy(self.box.mask(*model.latent_shape[1:])).float().to(model.device)

    @cached_property
    def key(self) -> str:
        """Names everything that the query's tensors and draws are a function of."""
        box = None if self.query.box is None else self.query.box.as_tuple()
        digest = hashlib.sha256(self.query.image.convert("RGB").tobytes())
        parts = (
            self.workspace.fingerprints["model"],
            self.workspace.device,
            self.query.image.size,
            self.query.caption,
            box,
            self.settings.seed,
        )
        digest.update(repr(parts).encode())
        return digest.hexdigest()

    def described(self) -> dict[str, Any]:
        """Return the query as it is written into results."""
        query, snapped = self.query, None
        if self.box is not None:
            snapped = self.box.snapped(*self.workspace.latent_shape[1:]).as_tuple()
        return {
            "caption": query.caption,
            "box": None if query.box is None else query.box.as_tuple(),
            "snapped_box": snapped,
            "image_sha256": hashlib.sha256(query.image.convert("RGB").tobytes()).hexdigest(),
            "image_size": query.image.size,
        }

    def gradients(self, draws: int = GRADIENT_DRAWS) -> Generator[QueryGradient, None, QueryGradient]:
        """Yield the gradient of the query's own loss as it grows; return the whole.

        Args:
            draws: stratified and antithetic (timestep, noise) draws, a multiple of 2.
        """
        remembered: Cache[QueryGradient] = self.workspace.cache("query gradients")
        key = f"{self.key} {draws}"
        known = remembered.get(key)
        if known is not None:
            yield known
            return known
        model = self.workspace.model
        batch = stratified_draws(model, draws, self.settings.seed, "unlearning").of(
            self.latent, self.conditioning
        )
        last = None
        for last in gradient_over_draws(model, batch, self.mask, self.batch_size):
            yield last
        assert last is not None, "there are at least two draws"
        remembered.put(key, last)
        return last

    def gradient(self, draws: int = GRADIENT_DRAWS) -> QueryGradient:
        """Return the whole gradient of the query's own loss."""
        *_, whole = self.gradients(draws)
        return whole

    def watched_gradient(
        self, method: str, draws: int = GRADIENT_DRAWS
    ) -> Generator[Progress, None, QueryGradient]:
        """Yield progress in a method's name; return the whole gradient of the query's own loss."""
        yield Progress(method, "computing the gradient", 0, draws)
        last = None
        for last in self.gradients(draws):
            yield Progress(method, "computing the gradient", last.draws, last.total)
        assert last is not None, "there are at least two draws"
        return last
