"""The U-Net compiled by torch itself (`torch.compile`): what a GPU may gain, for timing alone."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from attribution.models.base import Weights
from attribution.models.batch import Batch
from attribution.models.compiled import WithProjections
from attribution.models.engine_setting import TORCH, engine_set_to
from attribution.models.folded_upsampling import fold_upsampling
from attribution.models.layer_calls import projections
from attribution.models.stable_diffusion import PipelineModel

BACKEND = "inductor"
MODE = "max-autotune-no-cudagraphs"  # batches are large: launching kernels takes no time beside them


class CompiledByTorch(PipelineModel):
    """Passes without gradient run in a U-Net that is compiled once for each number of draws.

    Args:
        precision: "bf16" runs the U-Net in bfloat16; keys, values and squared errors stay single.
    """

    def __init__(self, folder: Path, device: str, precision: str = "fp32", backend: str = BACKEND):
        with engine_set_to(TORCH):
            super().__init__(folder, device)
        self._bfloat16 = precision == "bf16"
        denoiser, self._places = self._skeletons.new()
        fold_upsampling(denoiser)  # torch cannot compile what it stands for in bfloat16
        mode = MODE if backend == BACKEND else None
        self._predict = torch.compile(
            WithProjections(denoiser, self._places).eval(), backend=backend, mode=mode, dynamic=False
        )

    def _compiled_prediction(self, weights: Weights, batch: Batch) -> Tensor:
        noisy, times, conditioning = self._asked(batch)
        tokens = conditioning.tokens
        made = projections(weights, self._biases, tokens).of_each_draw()
        outputs = [made[name] for name in self._places]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bfloat16):
            prediction: Tensor = self._predict(noisy, times, tokens, *outputs)
        return prediction.float()
