"""Weights in pickles (.bin, .pt, .ckpt): they are read as tensors alone, and never to be asked about.

Unpickling can run code, so models are read from safetensors; `python -m precompute convert` writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from attribution.errors import ModelError

PICKLES = (".bin", ".pt", ".pth", ".ckpt")


def unpickled_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a pickle, by name.

    That is a state dict, one inside "state_dict" (whole models in one file), or a textual inversion as
    AUTOMATIC1111 writes it. Entries that hold nothing, as of Custom Diffusion's unused processors, are
    passed over.

    Raises:
        ModelError: it would run code, is damaged, or is no file of weights.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, EOFError, RuntimeError, ValueError) as problem:
        raise ModelError(
            f"{path} is damaged, or holds more than tensors and could run code: it is not read; ask "
            "whoever made it for safetensors"
        ) from problem
    tensors = {name: value for name, value in _entries(path, found).items() if _holds_something(value)}
    odd = [name for name, value in tensors.items() if not isinstance(value, Tensor)]
    if odd or not tensors:
        why = f"{odd[0]!r} is no tensor" if odd else "it holds none"
        raise ModelError(f"{path} is no file of weights ({why}): give the file that was saved for use")
    return tensors


def _entries(path: Path, found: Any) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        raise ModelError(f"{path} is no file of weights (no name for any tensor): write it as a state dict")
    if "string_to_param" in found:
        return {str(found.get("name")): found["string_to_param"]["*"]}
    inner = found.get("state_dict")
    return inner if isinstance(inner, Mapping) else found


def _holds_something(value: object) -> bool:
    return isinstance(value, Tensor) or value not in ({}, [], None)


def write_plain(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors as safetensors; those that share memory are written each by itself."""
    save_file(
        {name: tensor.clone().contiguous() for name, tensor in tensors.items()}, path, {"format": "pt"}
    )
