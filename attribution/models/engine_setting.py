"""Which engine is asked for, by the environment variable `WHENCE_ENGINE`.

torch      the reference: every model, every device
openvino   what `attribution.models.compiled` makes of a denoiser, to rounding the same; on a CPU, where
           the selected layers read captions alone
auto       openvino where it can be had and agrees with torch, or else torch; the default
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from attribution.errors import SettingsError

VARIABLE = "WHENCE_ENGINE"
AUTO, TORCH, OPENVINO = SETTINGS = ("auto", "torch", "openvino")


def engine_setting() -> str:
    """One of `SETTINGS`.

    Raises:
        SettingsError: the variable has another value.
    """
    setting = os.environ.get(VARIABLE) or AUTO
    if setting not in SETTINGS:
        raise SettingsError(f"{VARIABLE}={setting} is not known: choose one of {', '.join(SETTINGS)}")
    return setting


@contextmanager
def engine_set_to(setting: str) -> Iterator[None]:
    """Models that are opened in here are opened with that setting."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = setting
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def openvino_is_installed() -> bool:
    return importlib.util.find_spec(OPENVINO) is not None


def engine_version(engine: str) -> str:
    """An engine and its version, as answers and artifacts name it."""
    return f"{engine} {torch.__version__ if engine == TORCH else importlib.metadata.version(engine)}"


def engine_asked_for(device: str) -> str:
    """The engine that a model on a device has, if nothing in the model itself speaks against it."""
    compiles = engine_setting() != TORCH and device == "cpu" and openvino_is_installed()
    return engine_version(OPENVINO if compiles else TORCH)
