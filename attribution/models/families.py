"""Which families of pipelines there are, and which of them a pipeline folder is.

A family is a file of `attribution.models` that binds `PIPELINES`, classes of models each with a `Layout`.
Which one is wanted says the pipeline class that a `model_index.json` names, before anything else is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from attribution.errors import ModelError
from attribution.models.adapters import Adapter
from attribution.models.base import DiffusionModel
from attribution.models.layers import CROSS_ATTENTION_KV
from attribution.models.precision import Precision
from attribution.plugins import plugins

Config = Mapping[str, Any]
Read = Callable[[str], Config]  # `INDEX` or the name of a part => its configuration
INDEX = "model_index"
# Beginnings of pipeline classes that no family reads, the longer before the shorter.
OTHERS = {
    "StableDiffusionXL": "another Stable Diffusion XL",
    "StableDiffusion3": "another Stable Diffusion 3",
    "StableDiffusionInstructPix2Pix": "an InstructPix2Pix",
    "StableDiffusion": "another Stable Diffusion",
    "LatentConsistencyModel": "a latent consistency (LCM)",
    "Flux2": "a Flux 2",
    "Flux": "another Flux",
    "PixArt": "another PixArt",
    "Kandinsky": "a Kandinsky",
    "IF": "a DeepFloyd IF",
    "LDMTextToImage": "a Latent Diffusion text-to-image",
    "LDM": "an unconditional latent diffusion",
}


@dataclass(frozen=True)
class Layout:
    """What a family's pipeline folders have.

    Attributes:
        words: the family's name, for a person.
        classes: the pipeline classes of the diffusers library that have these files.
        denoiser: the part that predicts.
        weighed: the parts that have weights, the denoiser among them.
        unweighed: the other parts that decide what is computed: tokenizers and the scheduler.
        check: refuses by name what cannot be asked, from configurations alone.
        optional: parts that a pipeline may go without.
        keys: of the pipeline's own configuration that decide what it computes.
        layers: the name of the selector that is taken where none is given.
        takes_adapters: whether files beside it can be put into it.
    """

    words: str
    classes: tuple[str, ...]
    denoiser: str
    weighed: tuple[str, ...]
    unweighed: tuple[str, ...]
    check: Callable[[str | Path, Read], None]
    optional: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    layers: str = CROSS_ATTENTION_KV
    takes_adapters: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """All that decide what is computed."""
        return (*self.weighed, *self.unweighed)


@runtime_checkable
class Family(Protocol):
    """A class of models."""

    layout: Layout

    def __call__(
        self,
        folder: Path,
        device: str,
        layers: str | None,
        adapters: Sequence[Adapter],
        precision: Precision,
    ) -> DiffusionModel:
        """Open a pipeline folder, with adapters put into it, in a precision."""
        ...


def families() -> tuple[Family, ...]:
    """All that there are."""
    return plugins("attribution.models", "PIPELINES")


def family_of(source: str | Path, read: Read) -> Family:
    """The family of a pipeline.

    Raises:
        ModelError: it is of none; says what it is.
    """
    name = str(read(INDEX).get("_class_name"))
    for family in families():
        if name in family.layout.classes:
            return family
    raise ModelError(f"{source} {_other_class(name)}")


def _other_class(name: str) -> str:
    import diffusers  # for the names of its pipelines

    if name not in dir(diffusers):
        return (
            f"has a pipeline class of its own, {name}, whose code is not run: if it computes as Stable "
            'Diffusion does, write "_class_name": "StableDiffusionPipeline" into its model_index.json'
        )
    kind = next((words for begins, words in OTHERS.items() if name.startswith(begins)), "another")
    asked = ", ".join(family.layout.words for family in families())
    return f"is {kind} pipeline ({name}), which cannot be asked: give one of {asked}"
