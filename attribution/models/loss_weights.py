"""What each draw's loss was multiplied by in training, by a name that a workspace can be bound to.

    none           1: the squared error of whatever the denoiser predicts
    epsilon        the squared error of the noise (Ho et al. 2020), whatever is predicted
    min-snr:GAMMA  min(snr, GAMMA) times the squared error of the clean latent (Hang et al. 2023)
    p2:GAMMA       1 / (1 + snr)^GAMMA times that of the noise (P2, Choi et al. 2022, with k = 1)
    table:FILE     one number a line for each time of the schedule, from the least noise to the most

Papers state a scheme for the prediction that they train. `snr = (signal / noise)^2` brings all of them to
the weight of the squared error of what *this* denoiser predicts.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from attribution.errors import ModelError, SettingsError
from attribution.models.parametrisation import UNIFORM, LossWeight, Parametrisation

NONE, TABLE = "none", "table"
RECORDED = "_loss_weight"  # the key of a scheduler's configuration in which a pipeline may say it
Table = Float64[Tensor, " times"]
# (snr, gamma) => the weight of the squared error of the noise
SCHEMES: dict[str, Callable[[Table, float], Table]] = {
    "epsilon": lambda snr, gamma: torch.ones_like(snr),
    "min-snr": lambda snr, gamma: (gamma / snr).clamp(max=1.0),
    "p2": lambda snr, gamma: (1 + snr) ** -gamma,
}
STANDARD = {"min-snr": 5.0, "p2": 1.0}  # gamma, where a scheme has one and none is named


def recorded_loss_weight(scheduler: Any) -> str:
    """Return what a pipeline says of its training's weight; "none" if it is silent, as most are.

    Raises:
        ModelError: it names a file.
    """
    recorded = str(scheduler.config.get(RECORDED, NONE))
    if recorded.startswith(TABLE):
        raise ModelError(f"the scheduler's {RECORDED} is {recorded!r}: a model cannot name a file")
    return recorded


def canonical(named: str) -> str:
    """Return a weight's name with its gamma written out.

    Raises:
        SettingsError: there is none of that name, or gamma is not a positive number.
    """
    scheme, _, value = named.partition(":")
    if named == NONE or (scheme == TABLE and value):
        return named
    if scheme not in SCHEMES or (value and scheme not in STANDARD):
        offered = "none, epsilon, min-snr:GAMMA, p2:GAMMA or table:FILE"
        raise SettingsError(f"loss weight {named!r} is not known: choose {offered}")
    if scheme not in STANDARD:
        return named
    try:
        gamma = float(value) if value else STANDARD[scheme]
    except ValueError:
        gamma = float("nan")
    if not (isfinite(gamma) and gamma > 0):
        raise SettingsError(f"loss weight {named!r}: gamma must be a positive number, as in {scheme}:5")
    return f"{scheme}:{gamma:g}"


def in_folder(named: str, folder: Path) -> str:
    """Return a weight's name with its table, if it has one, looked for in a folder."""
    scheme, _, value = named.partition(":")
    return f"{TABLE}:{folder / value}" if scheme == TABLE else named


def weighted(parametrisation: Parametrisation, named: str) -> Parametrisation:
    """Return the same training objective with its loss weighed as that name says.

    Raises:
        SettingsError: the weight is not known, or its table cannot be read or does not fit.
    """
    named = canonical(named)
    if named == NONE:
        return replace(parametrisation, weight=UNIFORM)
    scheme, _, value = named.partition(":")
    if scheme == TABLE:
        table = read_table(named).float()
        if len(table) != len(parametrisation.signal):
            raise SettingsError(
                f"{value} has {len(table)} weights: the model has {len(parametrisation.signal)} timesteps"
            )
        named = f"{TABLE}:{hashlib.sha256(table.numpy().tobytes()).hexdigest()[:12]}"
    else:
        signal, noise = parametrisation.signal.double().cpu(), parametrisation.noise.double().cpu()
        snr = (signal / noise).square()
        table = SCHEMES[scheme](snr, float(value or 0)) * parametrisation.noise_error().double().cpu()
    table = table.to(parametrisation.signal)
    return replace(parametrisation, weight=LossWeight(named, table))


def read_table(named: str) -> Table:
    """Read the numbers of `table:FILE`.

    Raises:
        SettingsError: they cannot be read, or are not weights.
    """
    path = Path(named.removeprefix(f"{TABLE}:"))
    try:
        table = torch.from_numpy(np.loadtxt(path, dtype=np.float64, ndmin=1))
    except (OSError, ValueError) as problem:
        raise SettingsError(f"{path} is no table of loss weights: write one number a line") from problem
    if not (table.dim() == 1 and torch.isfinite(table).all() and (table >= 0).all() and table.sum() > 0):
        raise SettingsError(f"{path} holds no weights: they are negative, not finite, or all zero")
    return table


def table_bytes(weight: LossWeight) -> bytes:
    """A weight as a file from which `table:FILE` reads the same one."""
    assert weight.table is not None, "only what differs from 1 is a table"
    out = io.BytesIO()
    np.savetxt(out, weight.table.cpu().numpy(), fmt="%.9g")
    return out.getvalue()
