"""What the methods that differentiate have in common: the query's tensors and its gradient."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Generator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy import ndarray
from torch import Tensor

from attribution.analysis.significance import FEWEST
from attribution.data.preprocessing import box_in_prepared, prepared
from attribution.query import Query, Settings
from attribution.unlearning import step as unlearning
from attribution.unlearning.step import QueryGradient
from attribution.workspace.workspace import Workspace

GRADIENT_BATCH = 64
T = TypeVar("T")
REMEMBERED = 16  # of each kind, for the last queries; each as large as the key and value projections


class Memory(Generic[T]):
    """The last few values by key; threads may share it."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> T | None:
        with self._lock:
            return self._values.get(key)

    def put(self, key: str, value: T) -> None:
        with self._lock:
            self._values[key] = value
            while len(self._values) > REMEMBERED:
                self._values.popitem(last=False)

    def __len__(self) -> int:
        return len(self._values)


gradients: Memory[QueryGradient] = Memory()


def query_tensors(
    workspace: Workspace, query: Query
) -> tuple[Float[Tensor, "1 c h w"], Float[Tensor, "1 tokens d"], Float[Tensor, "h w"] | None]:
    """Latent, caption embedding and loss mask of a query, scaled as the training images are.

    The mask has ones in the latent cells that the box touches: local attribution is the query's own
    loss restricted to the box, not the loss of the crop.
    """
    model = workspace.model
    latent = model.encode_images([prepared(query.image, model.resolution)])
    caption = model.encode_captions([query.caption])
    if query.box is None:
        return latent, caption, None
    box = box_in_prepared(query.box, query.image.size)
    mask = torch.from_numpy(box.mask(*model.latent_shape[1:])).float().to(model.device)
    return latent, caption, mask


def query_gradient(
    workspace: Workspace, query: Query, settings: Settings
) -> Generator[QueryGradient, None, QueryGradient]:
    """Yield the gradient as it grows; returns the whole. The last few are remembered.

    Several methods ask for the same one, and a person asks again with other methods or more effort.
    """
    key = query_key(workspace, query, settings)
    known = gradients.get(key)
    if known is not None:
        yield known
        return known
    model = workspace.model
    latent, caption, mask = query_tensors(workspace, query)
    draws = unlearning.stratified_draws(model, settings.unlearning_draws, settings.seed, "unlearning")
    last = None
    for last in unlearning.query_gradient(model, latent, caption, draws, mask, GRADIENT_BATCH):
        yield last
    assert last is not None, "there are at least two draws"
    gradients.put(key, last)
    return last


def query_key(workspace: Workspace, query: Query, settings: Settings) -> str:
    """Names everything that a gradient is a function of."""
    box = None if query.box is None else query.box.as_tuple()
    digest = hashlib.sha256(query.image.convert("RGB").tobytes())
    parts = (
        workspace.fingerprints["model"],
        workspace.device,
        query.image.size,
        query.caption,
        box,
        settings.unlearning_draws,
        settings.seed,
    )
    digest.update(repr(parts).encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class Verdicts:
    """How far first-order scores stand out of each image's own null; see `analysis.significance`."""

    z: Float64[ndarray, " examples"]
    threshold: float
    controls: int

    def details(self) -> dict[str, float]:
        """What is written into a result."""
        return {"z_threshold": self.threshold, "controls": self.controls}


def verdicts(workspace: Workspace, gradient: QueryGradient, settings: Settings) -> Verdicts | None:
    """Of all training images; None where there are too few controls, or none asked with as many draws."""
    if not workspace.store.has("controls"):
        return None
    asked = workspace.artifact("controls").manifest["settings"]
    alike = (asked["unlearning_draws"], asked["target_rise"]) == (gradient.draws, settings.target_rise)
    if not alike or asked["controls"] < FEWEST:
        return None
    null = workspace.null()
    rows = np.arange(len(workspace.training_set))
    predicted = workspace.first_order().predict(gradient.mean, gradient.loss, settings.target_rise, rows)
    return Verdicts(null.z(predicted.values), null.threshold, null.controls)
