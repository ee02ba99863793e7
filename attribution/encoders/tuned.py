"""Encoders whose vectors go through a linear head that was tuned for attribution.

After AbC (Wang et al., ICCV 2023, arXiv 2306.09345): models that were customised on a few exemplars of
one concept make pictures that came, by construction, from the exemplars. A linear map on top of an encoder
is taught to bring such a picture near to its exemplars and away from all else, and a temperature to turn
cosines into shares (see `attribution.encoders.tuning`). A head is a folder of two small files:

    head.json           the encoder, its checkpoint (as seen from here), fingerprint, temperature, figures
    head.safetensors    mean (d), matrix (k, d): a vector x becomes matrix (x - mean), of length 1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy import ndarray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from attribution.encoders.base import (
    Encoder,
    EncoderReader,
    Vectors,
    encoder_reader,
    tensors_fingerprint,
    unit_rows,
)
from attribution.errors import ModelError, UnknownNameError

DESCRIPTION, WEIGHTS = "head.json", "head.safetensors"
SUFFIX = "-tuned"
READ = ("clip", "dino")  # encoders that heads are tuned for


class HeadDescription(BaseModel):
    """What `head.json` says.

    Attributes:
        encoder: whose vectors it reads.
        checkpoint: that encoder's: a folder as seen from the head's, or a hub id.
        fingerprint: of that encoder; with another one the head is refused.
        temperature: of the softmax over training images that makes a cosine a share.
        measured: of concepts that were kept from it in turn.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    encoder: str
    checkpoint: str = Field(min_length=1)
    fingerprint: str
    temperature: float = Field(gt=0, allow_inf_nan=False)
    measured: dict[str, Any] = {}


@dataclass(frozen=True)
class Head:
    """A linear map of an encoder's vectors."""

    mean: Float[Tensor, " d"]
    matrix: Float[Tensor, "k d"]

    def __call__(self, vectors: Float[ndarray, "n d"]) -> Float[ndarray, "n k"]:
        """Rows of length 1, each of its vector alone."""
        centred, matrix = torch.from_numpy(vectors).double() - self.mean.double(), self.matrix.double()
        return unit_rows(torch.stack([matrix @ row for row in centred]))

    def tensors(self) -> dict[str, Tensor]:
        """As it is stored."""
        return {"mean": self.mean.contiguous(), "matrix": self.matrix.contiguous()}


class TunedEncoder:
    """An encoder and a head on it: pictures alone.

    Attributes:
        temperature: what its cosines are divided by, for `shares`.
    """

    def __init__(self, encoder: Encoder, head: Head, temperature: float):
        self.encoder, self.head, self.temperature = encoder, head, temperature
        self.fingerprint = tensors_fingerprint(head.tensors(), f"{encoder.fingerprint} {temperature!r}")

    def images(self, images: Sequence[Image.Image]) -> Vectors:
        return self.head(self.encoder.images(images))

    def captions(self, captions: Sequence[str]) -> Vectors:
        raise UnknownNameError("a tuned encoder has no text")

    def shares(
        self, cosines: Float64[ndarray, " k"], among: Float64[ndarray, " n"]
    ) -> Float64[ndarray, " k"]:
        """Return the shares of some training images in a picture, which are 1 in all over `among`.

        Args:
            among: the cosines of all images that share it.
        """
        highest = among.max(initial=-1.0)
        whole = np.exp((among - highest) / self.temperature).sum()
        shares: Float64[ndarray, " k"] = np.exp((cosines - highest) / self.temperature) / whole
        return shares


def open_head(name: str, source: str, device: str) -> TunedEncoder:
    """Read a head, and open the encoder that it reads.

    Raises:
        ModelError: one of its files is not there, damaged, or for another encoder than is found.
    """
    folder, described = Path(source), described_head(source)
    try:
        tensors = load_file(folder / WEIGHTS)
        mean, matrix = tensors["mean"], tensors["matrix"]
    except (OSError, SafetensorError, KeyError) as problem:
        raise _unreadable(source, problem) from problem
    if described.encoder + SUFFIX != name:
        raise ModelError(
            f"the head in {source} is for {described.encoder}: give it as --{described.encoder}{SUFFIX}"
        )
    if mean.ndim != 1 or matrix.ndim != 2 or matrix.shape[1] != len(mean):
        raise ModelError(f"the head in {source} is damaged: its matrix and its mean do not fit each other")
    encoder = encoder_reader(described.encoder).open(_found(folder, described.checkpoint), device)
    if encoder.fingerprint != described.fingerprint:
        raise ModelError(
            f"the head in {source} was tuned for another {described.encoder.upper()} than "
            f"{described.checkpoint}: put that one back, or tune one for this with `python -m precompute "
            "heads`"
        )
    return TunedEncoder(encoder, Head(mean, matrix), described.temperature)


def described_head(source: str) -> HeadDescription:
    """What a head's folder says of it.

    Raises:
        ModelError: it is not there, or damaged.
    """
    try:
        return HeadDescription.model_validate_json((Path(source) / DESCRIPTION).read_bytes())
    except (OSError, ValidationError) as problem:
        raise _unreadable(source, problem) from problem


def _unreadable(source: str, problem: Exception) -> ModelError:
    reason = " ".join(str(problem).split())[:110]
    return ModelError(
        f"cannot open {source!r} as a head: pass a folder that `python -m precompute heads` made "
        f"({type(problem).__name__}: {reason})"
    )


def _found(folder: Path, checkpoint: str) -> str:
    """A checkpoint as seen from a head's folder; a hub id where there is no such folder."""
    beside = folder / checkpoint
    return str(beside) if beside.exists() else checkpoint


def _reader(encoder: str) -> EncoderReader:
    name = encoder + SUFFIX
    return EncoderReader(
        name, None, False, lambda source, device: open_head(name, source, device), of=encoder
    )


ENCODERS = tuple(map(_reader, READ))
