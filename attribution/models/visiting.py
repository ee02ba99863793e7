"""Layers whose weights lie in the system's memory and come to the device for a call: of a large denoiser.

The library's own ways to keep a model off the device move the data of its parameters, which threads share
here, and know no backward pass. Weights are values: a call has copies of its own, and nothing is moved.
What autograd keeps of a weight for the backward pass is where it lies at home; it comes once more when it
is needed. Where what lies between the denoiser's blocks is computed twice, it comes with that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from attribution.models.memory import MemoryBudget


def brought(tensor: Tensor, device: torch.device) -> Tensor:
    """The same numbers on a device, of which a gradient goes home."""
    return tensor.to(device)


def come_when_called(denoiser: nn.Module, device: torch.device, budget: MemoryBudget) -> None:
    """Have every layer of a denoiser bring its weights to a device for as long as it runs.

    Args:
        denoiser: of one caller's own; the tensors may be others', and stay as they are.
        budget: says whether what lies between its blocks is computed twice, weights and all.
    """
    for module in denoiser.modules():
        own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        if own:
            module.forward = _Visit(module, device, budget)


class _Visit:
    """A layer's call."""

    def __init__(self, module: nn.Module, device: torch.device, budget: MemoryBudget):
        self._module, self._called = module, module.forward
        self._device, self._budget = device, budget

    def __call__(self, *given: Any, **named: Any) -> Any:
        with self._at_the_device() as places, self._remembered(places):
            return self._called(*given, **named)

    @contextmanager
    def _at_the_device(self) -> Iterator[Mapping[int, Tensor]]:
        """Where each copy lies, and what it is a copy of."""
        places = dict[int, Tensor]()
        mine: Sequence[dict[str, Any]] = (self._module._parameters, self._module._buffers)
        held = [(own, dict(own)) for own in mine]
        try:
            for own, at_home in held:
                for name, tensor in at_home.items():
                    if tensor is not None:
                        copy = own[name] = brought(tensor, self._device)
                        places[copy.untyped_storage().data_ptr()] = tensor.detach()
            yield places
        finally:
            for own, at_home in held:
                own.update(at_home)

    def _remembered(self, places: Mapping[int, Tensor]) -> AbstractContextManager[Any]:
        """What is kept for the backward pass: of a copy, where it came from.

        Where much is computed twice the library decides what is kept, and that is none of the copies inside
        of blocks. (Of two that decide, autograd asks the inner one alone.)
        """
        if not torch.is_grad_enabled() or self._budget.recomputes:
            return nullcontext()

        def kept(tensor: Tensor) -> Tensor | _Away:
            at_home = places.get(tensor.untyped_storage().data_ptr())
            if at_home is None:
                return tensor
            offset = int(tensor.storage_offset())
            return _Away(at_home, self._device, tensor.shape, tensor.stride(), offset)

        return saved_tensors_hooks(kept, _again)


@dataclass(frozen=True, eq=False)
class _Away:
    """A view of a weight that is at home again."""

    at_home: Tensor
    device: torch.device
    size: Sequence[int]
    stride: Sequence[int]
    offset: int

    def again(self) -> Tensor:
        return brought(self.at_home, self.device).as_strided(self.size, self.stride, self.offset)


def _again(kept: Tensor | _Away) -> Tensor:
    return kept.again() if isinstance(kept, _Away) else kept
