"""How many draws of a pass a device has memory for: found by trying.

A pass that runs out of a GPU's memory is taken again with half as many draws, and no later pass of its kind
is larger. Where one draw's gradient is too much, what lies between the denoiser's blocks is computed twice
and not kept (gradient checkpointing, Chen et al. 2016). Nothing depends on it but rounding. (A CPU's memory
is the system's, which ends a process that asks for too much without a word: there `--batch-size` alone
governs.)
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from attribution.models.batch import Batch

PREDICTION, GRADIENT, WHOLE = "prediction", "gradient", "gradient of all weights"
T = TypeVar("T")
log = logging.getLogger("whence")


class MemoryBudget:
    """What was found for one model, by kind of pass. Threads may share it: at worst they find it twice.

    Args:
        can_recompute: whether its denoiser can do without what lies between its blocks.

    Attributes:
        recomputes: whether it does.
    """

    def __init__(self, can_recompute: bool = False):
        self._can_recompute, self.recomputes = can_recompute, False
        self._most: dict[str, int] = {}

    def prepare(self, denoiser: Any) -> None:
        """Have a denoiser of the library compute again what lies between its blocks, if need be."""
        if self.recomputes and not denoiser.is_gradient_checkpointing:
            denoiser.enable_gradient_checkpointing()

    def parts(self, kind: str, batch: Batch, take: Callable[[Batch], T]) -> list[tuple[int, T]]:
        """What a pass gives, part by part, each with its number of draws: mostly there is but one.

        Raises:
            torch.OutOfMemoryError: memory does not suffice for one draw.
        """
        found: list[tuple[int, T]] = []
        start = 0
        while start < len(batch):
            size = min(self._most.get(kind, len(batch)), len(batch) - start)
            result = self._tried(kind, batch[start : start + size], take)
            if result is not None:
                found.append((size, result))
                start += size
        return found

    def _tried(self, kind: str, part: Batch, take: Callable[[Batch], T]) -> T | None:
        """What a pass gives; None if memory does not suffice, which is then known."""
        try:
            return take(part)
        except torch.OutOfMemoryError:
            if len(part) == 1 and (kind != GRADIENT or self.recomputes or not self._can_recompute):
                raise
        # Out of the handler, whose traceback keeps what the pass had made.
        if len(part) == 1:
            self.recomputes = True
            log.info("%s: one draw is too much: what lies between blocks is computed twice", kind)
        else:
            self._most[kind] = len(part) // 2
            log.info("%s: memory for %d draws at once, not for %d", kind, len(part) // 2, len(part))
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return None


def mean_gradient(
    parts: Sequence[tuple[int, tuple[Tensor, Mapping[str, Tensor]]]],
) -> tuple[Float[Tensor, " draws"], Mapping[str, Float[Tensor, "..."]]]:
    """The losses, and the gradient of the mean over all draws, of parts with their numbers of draws."""
    losses, gradient = parts[0][1]
    if len(parts) == 1:
        return losses, gradient
    total = sum(draws for draws, _ in parts)
    mean = {name: torch.zeros_like(each) for name, each in gradient.items()}
    for draws, (_, own) in parts:
        for name, each in own.items():
            mean[name].add_(each, alpha=draws / total)
    return torch.cat([own for _, (own, _) in parts]), mean
