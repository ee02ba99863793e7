"""A denoiser for each caller, over tensors that all of them share.

Modules hold what they are given while they run, so no two callers may use one at once; and a loaded
layer is never written to, so other weights are used by putting something in its place.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain

from torch import Tensor, nn

from attribution.models.layer_calls import LayerCall


class Place(nn.Module):
    """Stands where a selected layer stood, and does what it is told to for the time of a call."""

    def __init__(self, loaded: Tensor):
        super().__init__()
        self.weight = loaded  # some modules ask for its type or device
        self.call: LayerCall | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        assert self.call is not None, "outside of a call"
        return self.call(inputs)


class Skeletons:
    """Copies of a denoiser's modules, made when they are needed and kept for the next caller.

    Args:
        loaded: the weights of the layers that calls replace, by name.
        prepare: is given each copy, for what else is to be done to it.
    """

    def __init__(
        self,
        denoiser: nn.Module,
        loaded: Mapping[str, Tensor],
        prepare: Callable[[nn.Module], None] | None = None,
    ):
        self._denoiser, self._loaded, self._prepare = denoiser, loaded, prepare
        self._idle: list[tuple[nn.Module, dict[str, Place]]] = []

    @contextmanager
    def using(self, calls: Mapping[str, LayerCall]) -> Iterator[nn.Module]:
        """A denoiser of this caller's own, that does these calls in place of its selected layers.

        List operations are atomic: no lock is needed.
        """
        try:
            skeleton = self._idle.pop()
        except IndexError:
            skeleton = self.new()
        denoiser, places = skeleton
        try:
            for name, place in places.items():
                place.call = calls[name]
            yield denoiser
        finally:
            for place in places.values():
                place.call = None
            self._idle.append(skeleton)

    def new(self) -> tuple[nn.Module, dict[str, Place]]:
        """One more, and the places of its selected layers by the names of their weights."""
        shared = {id(t): t for t in chain(self._denoiser.parameters(), self._denoiser.buffers())}
        denoiser = copy.deepcopy(self._denoiser, shared)
        places = {name: Place(weight) for name, weight in self._loaded.items()}
        for name, place in places.items():
            denoiser.set_submodule(name.removesuffix(".weight"), place)
        if self._prepare is not None:
            self._prepare(denoiser)
        return denoiser, places
