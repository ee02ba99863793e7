"""What turns pictures (and captions) into vectors whose cosine is a similarity.

Each module binds `ENCODERS`, readers that open a checkpoint folder or hub id.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from attribution.errors import ModelError
from attribution.plugins import named, plugins

Vectors = Float[np.ndarray, "n d"]


@runtime_checkable
class Encoder(Protocol):
    """An opened encoder. Vectors have length 1, so that an inner product is a cosine."""

    fingerprint: str

    def images(self, images: Sequence[Image.Image]) -> Vectors: ...

    def captions(self, captions: Sequence[str]) -> Vectors:
        """Raises UnknownNameError for an encoder without text."""
        ...


@dataclass(frozen=True)
class EncoderReader:
    """What a file in `attribution/encoders/` provides.

    Attributes:
        name: in `workspace.json`, on the command line and in artifact names.
        default: the hub id that is used where none is given; None where it is gone without then.
        has_text: whether it embeds captions too.
        open: from a checkpoint folder or hub id, and a device, to an encoder.
        whitened: whether its vectors are whitened over the training set before they are compared.
        checkpoint: whether it needs one.
        of: the encoder whose vectors it reads; empty for one that reads pictures itself.
    """

    name: str
    default: str | None
    has_text: bool
    open: Callable[[str, str], Encoder]
    whitened: bool = False
    checkpoint: bool = True
    of: str = ""


@cache
def encoder_readers() -> dict[str, EncoderReader]:
    """Return all encoders by name. Importing loads no weights."""
    return {reader.name: reader for reader in plugins("attribution.encoders", "ENCODERS")}


def encoder_reader(name: str) -> EncoderReader:
    """Return the encoder called `name`.

    Raises:
        UnknownNameError: there is none; the known ones are named.
    """
    return named("encoder", encoder_readers(), name)


def unit_rows(vectors: Float[Tensor, "n d"]) -> Vectors:
    """Rows of length 1, float32, on the CPU. A zero row stays zero."""
    vectors = vectors.detach().double().cpu()
    lengths = vectors.norm(dim=1, keepdim=True).clamp_min(1e-12)
    unit: Vectors = (vectors / lengths).float().numpy()
    return unit


def pixel_batch(
    images: Sequence[Image.Image],
    size: int,
    mean: Sequence[float],
    std: Sequence[float],
    resample: Image.Resampling = Image.Resampling.BICUBIC,
) -> Float[Tensor, "n 3 size size"]:
    """Pictures resized to a square (aspect ignored) and normalised per channel."""
    resized = [
        image.convert("RGB").resize((size, size), resample) if image.size != (size, size) else image
        for image in images
    ]
    pixels = np.stack([np.asarray(image.convert("RGB"), dtype=np.float32) for image in resized]) / 255
    normalised = (pixels - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return torch.from_numpy(np.ascontiguousarray(normalised.transpose(0, 3, 1, 2)))


def module_fingerprint(module: nn.Module, *settings: object) -> str:
    """A hash of all weights, by name, and of the settings that go with them."""
    return tensors_fingerprint(module.state_dict(), repr(settings))


def tensors_fingerprint(tensors: Mapping[str, Tensor], beside: str) -> str:
    """A hash of tensors, by name, and of what is said beside them."""
    digest = hashlib.sha256(beside.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]


def preprocessing(source: str) -> dict[str, Any]:
    """What `preprocessor_config.json` of a checkpoint folder or hub id says, {} without one.

    Only read, never run: the processors themselves want torchvision or differ in their resizing.
    """
    from transformers.utils import cached_file

    path = cached_file(source, "preprocessor_config.json", _raise_exceptions_for_missing_entries=False)
    if path is None:
        return {}
    wanted = json.loads(Path(path).read_text(encoding="utf-8"))
    return wanted if isinstance(wanted, dict) else {}


def unreadable(name: str, source: str, problem: Exception) -> ModelError:
    """The error for a checkpoint that cannot be opened, in one line."""
    reason = " ".join(str(problem).split())[:110]
    return ModelError(
        f"cannot open {source!r} as a {name.upper()} encoder: pass the folder of a transformers checkpoint "
        f"with --{name} FOLDER, or go without it with --{name} none ({type(problem).__name__}: {reason})"
    )
