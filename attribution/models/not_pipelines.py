"""What people give for a pipeline and is none: what it is, and what makes a pipeline of it."""

from __future__ import annotations

import re
from pathlib import Path

from attribution.data.files import files_below
from attribution.errors import ModelError
from attribution.models.adapter_files import (
    WEIGHTS,
    AdapterKind,
    how_to_use,
    is_whole,
    kind_inside,
    kind_named,
    tensor_names,
)

SINGLE = (
    "make a pipeline folder of it (`python -m precompute convert FILE --config PIPELINE_OF_ITS_KIND --out "
    "FOLDER`) and give that"
)
GIVE = "give a folder with a model_index.json, or a hub id"
STATE = r"checkpoint-\d+|optimizer\.|random_states|rng_state"  # names that training scripts give
PLAIN = "pass it as a checkpoint of its pipeline (`init --model PIPELINE --checkpoint NAME=FOLDER`)"


def not_a_pipeline(name: str | Path) -> str:
    """Say in one line what a path is, and what to give instead."""
    path = Path(name)
    if path.is_file():
        return _file(path)
    if not path.is_dir():
        return f"{name} is not a diffusers pipeline: {GIVE}"
    found = sorted(each.relative_to(path).as_posix() for each in files_below(path) if each.is_file())
    for each in found:
        kind = kind_named(each)
        if kind is not None and Path(each).suffix in WEIGHTS:
            return f"{path} has {kind.title} ({each}) {_alone(kind, path / each)}"
    if re.search(STATE, path.name) or any(re.search(STATE, each) for each in found):
        return (
            f"{path} is what a training script left on its way, no diffusers pipeline: give the pipeline "
            f"that it saved at the end, or {PLAIN}"
        )
    if (path / "unet").is_dir() or (path / "config.json").is_file():
        return (
            f"{path} is a part of a pipeline, not a diffusers pipeline: give the folder above, or {PLAIN}"
        )
    whole = next((each for each in found if Path(each).suffix in WEIGHTS), None)
    if whole is not None:
        return f"{path} is not a diffusers pipeline: if {whole} is a whole model, {SINGLE}"
    return f"{path} is not a diffusers pipeline: {GIVE}"


def _file(path: Path) -> str:
    kind = kind_named(path.name)
    if path.suffix == ".safetensors":
        try:
            inside = tensor_names(path)
        except ModelError as problem:
            return str(problem)
        kind = None if is_whole(path, inside) else kind_inside(inside) or kind
    if kind is not None:
        return f"{path} is {kind.title} {_alone(kind, path)}"
    if path.suffix in WEIGHTS:
        return f"{path} is one file, not a diffusers pipeline folder: if it is a whole model, {SINGLE}"
    return f"{path} is a file, not a diffusers pipeline: {GIVE}"


def _alone(kind: AdapterKind, path: Path) -> str:
    use = kind.remedy or f"give that with --model, and {how_to_use(kind, path)}"
    return f"without the pipeline it was trained for: {use}"
