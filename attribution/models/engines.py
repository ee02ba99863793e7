"""Which engine runs a denoiser where no gradient is wanted, decided at the first such pass of a model.

What is asked for says `attribution.models.engine_setting`. Gradients and pictures always come from torch.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attribution.errors import ModelError
from attribution.models import compiled
from attribution.models.base import Weights
from attribution.models.compiled import CompiledDenoiser, Pass
from attribution.models.engine_setting import (
    AUTO,
    OPENVINO,
    TORCH,
    VARIABLE,
    engine_setting,
    engine_version,
    openvino_is_installed,
)
from attribution.models.layer_calls import Biases, Projected, projections
from attribution.models.skeletons import Skeletons
from attribution.rng import gaussian

TOLERANCE = 1e-4  # of predictions, relative; found are 1e-6. bfloat16's 7e-3 move scores by a quarter of
# their spread (docs/PERFORMANCE.md).
LARGEST = 250_000_000  # weights, of which a compiled denoiser has a copy; beyond, only if it is asked for

log = logging.getLogger("whence")


@dataclass(frozen=True, eq=False)
class Denoiser:
    """What an engine is chosen for.

    Attributes:
        unet: as it was loaded.
        weights, biases: of its selected layers.
        reads_captions: whether these read nothing else.
        times: of the schedule, as the denoiser is told them.
        told_tokens_alone: whether it is told nothing else beside them.
    """

    unet: nn.Module
    skeletons: Skeletons
    weights: Weights
    biases: Biases
    reads_captions: bool
    times: Tensor
    device: torch.device
    told_tokens_alone: bool


class Engine:
    """The choice for one denoiser. Threads may share it: whoever comes first compiles, the others wait.

    Raises:
        SettingsError: `WHENCE_ENGINE` is not known.
        ModelError: it insists on an engine that this model cannot have.
    """

    def __init__(self, denoiser: Denoiser):
        self._denoiser, self._setting = denoiser, engine_setting()
        self._lock = threading.Lock()
        self._decided = self._setting == TORCH
        self._compiled: CompiledDenoiser | None = None
        self._why_not = self._obstacle()
        if self._why_not is not None:
            self._refuse(self._why_not)

    @property
    def name(self) -> str:
        """The engine and its version; before the first pass, the one that would be tried."""
        return engine_version(OPENVINO if self.compiles else TORCH)

    @property
    def compiles(self) -> bool:
        """Whether a pass should be offered to `prediction`."""
        return not self._decided or self._compiled is not None

    def prediction(self, given: Pass) -> Tensor | None:
        """What a compiled denoiser predicts, or None where torch is to be asked."""
        if not self._decided:
            with self._lock:
                if not self._decided:
                    self._decide(given)
        if self._compiled is None or given.shapes() != self._compiled.shapes:
            return None
        return self._compiled(given)

    def _obstacle(self) -> str | None:
        """Why nothing need be tried, if so."""
        if self._decided:
            return None
        if self._denoiser.device.type != "cpu":
            return f"it is for a CPU, and the device is {self._denoiser.device}"
        if any(weight.dtype != torch.float32 for weight in self._denoiser.unet.parameters()):
            return "the denoiser was opened in half precision"
        if not self._denoiser.reads_captions:
            return "the selected layers read more than captions"
        if not self._denoiser.told_tokens_alone:
            return "the denoiser is told more than a caption's tokens"
        if not openvino_is_installed():
            return "it is not installed"
        size = sum(weight.numel() for weight in self._denoiser.unet.parameters())
        if self._setting == AUTO and size > LARGEST:
            return f"a second copy of {size:,} weights is made only for {VARIABLE}={OPENVINO}"
        return None

    def _refuse(self, why: str) -> None:
        """Torch it is."""
        if self._setting == OPENVINO:
            raise ModelError(f"{VARIABLE}={OPENVINO} cannot be had: {why}; choose {AUTO} or {TORCH}")
        log.info("passes without gradient run in torch, not in openvino: %s", why)
        self._decided = True

    def _decide(self, like: Pass) -> None:
        """Compile, and compare with torch on draws that belong to nobody."""
        rows = compiled.rows_for(like.noisy)
        try:
            found = compiled.compiled(
                self._denoiser.unet, self._denoiser.skeletons, self._trial(like, rows, "example")
            )
            apart = self._difference(found, self._trial(like, rows + 1, "trial"))
        except Exception as problem:  # whatever a compiler may say; torch can always be asked
            words = str(problem).strip().splitlines() or [type(problem).__name__]
            return self._refuse(f"the denoiser could not be compiled ({words[0]})")
        if not apart <= TOLERANCE:  # NaN is not either
            return self._refuse(f"its predictions differ by {apart:.1e} of their size from torch's")
        self._compiled = found
        self._decided = True
        log.info("passes without gradient run in %s, which differs by %.1e", self.name, apart)
        return None

    def _trial(self, like: Pass, rows: int, purpose: str) -> Pass:
        """Draws of noise, of the shapes of a pass, spread over the schedule."""
        d = self._denoiser
        noisy = _noise(purpose, "latents", [rows, *like.noisy.shape[1:]])
        tokens = _noise(purpose, "tokens", [rows, *like.tokens.shape[1:]])
        times = d.times[torch.linspace(0, len(d.times) - 1, rows).long()]
        return Pass(noisy, times, tokens, projections(d.weights, d.biases, tokens))

    def _difference(self, found: CompiledDenoiser, given: Pass) -> float:
        """The largest, of any draw, relative to the size of torch's prediction."""
        outputs = given.projections.of_each_draw()
        calls = {name: Projected(given.tokens, output) for name, output in outputs.items()}
        with torch.no_grad(), self._denoiser.skeletons.using(calls) as unet:
            exact = unet(given.noisy, given.times, encoder_hidden_states=given.tokens).sample
        apart = (found(given) - exact).flatten(1).norm(dim=1) / exact.flatten(1).norm(dim=1)
        return float(apart.max())


def _noise(purpose: str, of: str, shape: Sequence[int]) -> Tensor:
    return gaussian(0, f"engine {purpose}", of, 0, shape)
