"""Parts of a model that lie in the system's memory until they are called: `--offload`, `WHENCE_OFFLOAD=1`.

Text encoders and autoencoders are called now and then, the denoiser all the time: it alone stays on the
device, unless it is larger than that: `--offload-denoiser`, `WHENCE_OFFLOAD=denoiser` (`visiting`).
(The library's own hooks move a part back when another is called, or not at all where it fails; here a
question may fail, and two threads may call the same part.)
"""

from __future__ import annotations

import os
import threading
from typing import Any

import torch
from torch import nn

from attribution.errors import SettingsError

VARIABLE = "WHENCE_OFFLOAD"
ON, DENOISER_TOO = "1", "denoiser"
HOME = torch.device("cpu")


def ask_to_offload(device: str, what: str = ON) -> None:
    """Have models that this process and its workers open from now on leave their parts off the device.

    Args:
        what: `ON`, or `DENOISER_TOO`.

    Raises:
        SettingsError: see `is_offloaded`.
    """
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = what
    try:
        is_offloaded(device)
    except SettingsError:
        os.environ.pop(VARIABLE) if before is None else os.environ.update({VARIABLE: before})
        raise


def is_offloaded(device: str) -> bool:
    """Whether the parts of a model on a device lie in the system's memory.

    Raises:
        SettingsError: they would lie there anyway, for the device is the CPU; or the variable has another
            value.
    """
    setting = os.environ.get(VARIABLE, "")
    if setting not in ("", ON, DENOISER_TOO):
        raise SettingsError(
            f"{VARIABLE}={setting} is not known: set it to {ON} or {DENOISER_TOO}, or not at all"
        )
    if setting and device == HOME.type:
        raise SettingsError(
            f"there is nothing to take off a GPU with --device cpu: leave out --offload (or {VARIABLE})"
        )
    return bool(setting)


def is_denoiser_offloaded(device: str) -> bool:
    """Whether the denoiser's weights lie there as well, but for the layers that are unlearned in.

    Raises:
        SettingsError: see `is_offloaded`.
    """
    return is_offloaded(device) and os.environ[VARIABLE] == DENOISER_TOO


class Offloaded:
    """A part that is on the device while it is called, and at home else; one call at a time.

    Args:
        part: a text encoder, or an autoencoder of the library.
    """

    def __init__(self, part: nn.Module, device: torch.device):
        self._part, self._device = part.to(HOME), device
        self._lock = threading.Lock()

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self._called("__call__", given, named)

    def encode(self, *given: Any, **named: Any) -> Any:
        return self._called("encode", given, named)

    def decode(self, *given: Any, **named: Any) -> Any:
        return self._called("decode", given, named)

    @property
    def config(self) -> Any:
        return self._part.config

    def _called(self, what: str, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        with self._lock:
            try:
                return getattr(self._part.to(self._device), what)(*given, **named)
            finally:
                self._part.to(HOME)
