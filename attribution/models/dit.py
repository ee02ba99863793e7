"""DiT (Peebles & Xie 2023, arXiv 2212.09748): a transformer over latents that is told a class.

It predicts its variance beside the noise; the loss here is that of the noise alone (`L_simple`), the other
part of its training's is left out. There is no attention to captions: every linear layer is unlearned in.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from attribution.models.base import Generation
from attribution.models.batch import Conditioning
from attribution.models.class_labels import KEY, LABELS, Classes, told
from attribution.models.denoiser_model import Asked
from attribution.models.families import INDEX, Layout, Read
from attribution.models.latent_model import LatentModel
from attribution.models.layers import ALL_LINEAR
from attribution.models.pipeline_checks import (
    check_latents,
    check_parts,
    check_scheduler,
    check_transformer,
    in_folder,
)


def check(source: str | Path, read: Read) -> None:
    """Refuse what cannot be asked of a DiT.

    Raises:
        ModelError: says what it is.
    """
    index, transformer = read(INDEX), read("transformer")
    check_parts(source, index, DiT.layout.parts)
    check_transformer(source, index, transformer, "DiT", "ada_norm_zero")
    check_latents(source, "transformer", transformer, read("vae"), variance=True)
    Classes(int(transformer.get("num_embeds_ada_norm", 1000)), index, source)
    check_scheduler(source, read("scheduler"))


class DiT(LatentModel):
    """A class-conditional DiT pipeline."""

    layout = Layout(
        "class-conditional DiT",
        ("DiTPipeline",),
        "transformer",
        ("transformer", "vae"),
        ("scheduler",),
        check,
        keys=(KEY,),
        layers=ALL_LINEAR,
    )
    takes_negative_prompt = False

    def _hold(self, pipeline: Any, folder: Path) -> None:
        super()._hold(pipeline, folder)
        count = int(pipeline.transformer.config.num_embeds_ada_norm)
        self._classes = Classes(count, in_folder(folder)(INDEX), folder)

    def encode_captions(self, captions: Sequence[str]) -> Conditioning:
        return self._classes.conditioning(captions).to(self.device)

    def check_captions(self, captions: Sequence[str]) -> None:
        self._classes.check(captions)

    def _guiding(self, generations: Sequence[Generation]) -> Conditioning:
        """Guidance leads away from the class that stands for none."""
        none = [self._classes.count] * len(generations)
        return told([*none, *(self._classes.number(each.prompt) for each in generations)]).to(self.device)

    def _denoised(
        self, denoiser: Asked, noisy: Float[Tensor, "n c h w"], times: Tensor, conditioning: Conditioning
    ) -> Float[Tensor, "n c h w"]:
        prediction: Tensor = denoiser(
            noisy, timestep=times, class_labels=conditioning.further[LABELS]
        ).sample
        return prediction[:, : self.latent_shape[0]]  # what is beyond is the variance


PIPELINES = (DiT,)
