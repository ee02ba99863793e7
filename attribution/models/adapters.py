"""Adapters: files that make another model of a pipeline. A base and its adapters are one model.

Custom Diffusion (Kumari et al. 2023)    keys and values of the caption in place of the base's
LoRA (Hu et al. 2022)                    low-rank changes, added to the weights or kept beside them
textual inversion (Gal et al. 2023)      tokens of the caption, with embeddings of their own

They are put in in this order, whatever the order in which they were named: what replaces weights comes
before what is added to them. Each is used at its full strength, as diffusers loads it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from attribution.data.files import file_sha256
from attribution.errors import ModelError
from attribution.models.adapter_files import (
    CUSTOM_DIFFUSION,
    EMBEDDING,
    KINDS,
    LORA,
    WEIGHTS,
    AdapterKind,
    how_to_use,
    kind_inside,
    kind_named,
    tensor_names,
)
from attribution.models.lora import DENOISERS, PEFT_CONFIG, add_lora, add_to_weights, use_together

ORDER = (CUSTOM_DIFFUSION, LORA, EMBEDDING)
NAMELESS = {"emb_params", "clip_l", "clip_g"}  # what other programs write in place of a token


@dataclass(frozen=True)
class Adapter:
    """A safetensors file that is put into a pipeline, and what it is."""

    path: Path
    kind: AdapterKind

    def fingerprint(self) -> str:
        """SHA-256 of its bytes, and of peft's configuration where one lies beside."""
        digest = hashlib.sha256(bytes.fromhex(file_sha256(self.path)))
        config = self.path.with_name(PEFT_CONFIG)
        if self.kind == LORA and config.is_file():
            digest.update(bytes.fromhex(file_sha256(config)))
        return digest.hexdigest()


def named_adapters(sources: Iterable[str | Path]) -> tuple[Adapter, ...]:
    """The files that were named, each alone or by its folder, in the order in which they are put in.

    Of a folder these are all files of weights that lie in it itself: states and checkpoints that a training
    script left are further down.

    Raises:
        ModelError: one is not there, or cannot be put in; says what to do.
    """
    files = dict.fromkeys(path for source in sources for path in _files(Path(source)))
    found = [Adapter(path, _kind_of(path)) for path in files]
    return tuple(sorted(found, key=lambda adapter: ORDER.index(adapter.kind)))


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise ModelError(f"there is no adapter {source}: give a file, or a folder that holds it")
    found = {path for path in source.iterdir() if path.suffix in WEIGHTS}
    # A pickle beside safetensors of its name is the same in another format.
    found -= {path for path in found if path.suffix == ".bin" and path.with_suffix(".safetensors") in found}
    if not found:
        raise ModelError(f"{source} has no adapter in it: give the file itself, or the folder it lies in")
    return sorted(found)


def _kind_of(path: Path) -> AdapterKind:
    """What a file is; raises ModelError for what cannot be put in."""
    plain = path.suffix == ".safetensors"
    kind = kind_inside(tensor_names(path)) if plain else kind_named(path.name)
    if kind is not None and (kind.remedy or not plain):
        raise ModelError(f"{path} is {kind.title}: {how_to_use(kind, path)}")
    if kind is None:
        known = ", ".join(each.title for each in KINDS if not each.remedy)
        raise ModelError(f"{path} is no adapter that is known ({known}): name one of these, in safetensors")
    return kind


def adapted_fingerprint(base: str, adapters: Sequence[Adapter]) -> str:
    """What names a base together with its adapters: the base's own where there are none."""
    if not adapters:
        return base
    parts = [base, *(adapter.fingerprint() for adapter in adapters)]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


@torch.no_grad()
def put_in(pipeline: Any, adapters: Sequence[Adapter], keep_lora: bool = False) -> None:
    """Make the adapted model of a pipeline that was just loaded.

    Args:
        keep_lora: leave a denoiser's low-rank matrices beside its weights, rather than add them.

    Raises:
        ModelError: one was made for another model, or would not be used whole.
    """
    for number, (adapter, path) in enumerate((each, each.path) for each in adapters):
        if adapter.kind == CUSTOM_DIFFUSION:
            _replace_weights(pipeline, path)
        elif adapter.kind == LORA:
            add_lora(pipeline, path, f"adapter{number}")
            add_to_weights(pipeline, kept=DENOISERS if keep_lora else ())
        else:
            _add_tokens(pipeline, path)
    if keep_lora and any(adapter.kind == LORA for adapter in adapters):
        use_together(pipeline)


def _replace_weights(pipeline: Any, path: Path) -> None:
    """Custom Diffusion: whole weights of some layers, by the layers' names or by their processors'."""
    denoiser = next(getattr(pipeline, name) for name in DENOISERS if hasattr(pipeline, name))
    there = dict(denoiser.named_parameters())
    for name, weight in load_file(path).items():
        own = name.removeprefix("unet.").replace(".processor.", ".").replace("_custom_diffusion", "")
        if own not in there or there[own].shape != weight.shape:
            found = "none" if own not in there else f"one of {tuple(there[own].shape)}"
            raise ModelError(
                f"{path} does not fit the pipeline: it has a weight {own} of {tuple(weight.shape)}, and "
                f"the denoiser has {found}; give the pipeline that it was trained for"
            )
        there[own].copy_(weight)


def _add_tokens(pipeline: Any, path: Path) -> None:
    """Textual inversion: one embedding of each token or several, shaped (width) or (vectors, width)."""
    for token, vectors in load_file(path).items():
        _check_token(pipeline, path, token, vectors)
        try:
            pipeline.load_textual_inversion({token: vectors})
        except ValueError as problem:  # the token is there already
            raise ModelError(f"{path} cannot be put in: {str(problem).splitlines()[0]}") from problem


def _check_token(pipeline: Any, path: Path, token: str, vectors: Tensor) -> None:
    if token in NAMELESS:
        raise ModelError(
            f"{path} does not say its token (it has {token!r} in its place): write it as "
            "{token: embedding} with safetensors"
        )
    if not hasattr(pipeline, "load_textual_inversion"):
        raise ModelError(f"{path} is {EMBEDDING.title}, and {type(pipeline).__name__} takes none")
    width = pipeline.text_encoder.get_input_embeddings().weight.shape[-1]
    if vectors.dim() not in (1, 2) or vectors.shape[-1] != width:
        raise ModelError(
            f"{path} does not fit the pipeline: the embedding of {token!r} is {tuple(vectors.shape)}, and "
            f"the text encoder's are of {width}; give the pipeline that it was trained for"
        )
