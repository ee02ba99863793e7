"""The files of a diffusers pipeline: reading them, and what names their contents."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import DDPMScheduler, DiffusionPipeline, UNet2DConditionModel

from attribution.data.files import file_sha256, files_below
from attribution.errors import ModelError
from attribution.models.adapter_files import check_beside, tensor_names
from attribution.models.adapters import Adapter, put_in
from attribution.models.families import INDEX, Config, Layout, family_of
from attribution.models.parametrisation import parametrisation_of
from attribution.models.pipeline_checks import in_folder, read_json
from attribution.models.training_schedule import scheduler_in, training_schedule
from attribution.models.weight_files import variant_of, variants

FUSE = (
    "fuse it with diffusers (load_lora_weights, fuse_lora, unload_lora_weights, save_pretrained) and give "
    "the folder that was saved"
)
UNUSED = ("safety_checker", "feature_extractor", "image_encoder")  # parts that attribution does not need
SCHEDULE = "scheduler/scheduler_config.json"


def fingerprint_of(folder: Path, layout: Layout | None = None) -> str:
    """SHA-256 over the names and contents of everything that decides what the pipeline computes.

    What a configuration says of its own history (`_name_or_path`, `_diffusers_version`) does not, nor how
    pictures are sampled (see `attribution.models.training_schedule`).
    """
    layout = layout or family_of(folder, in_folder(folder)).layout
    index = read_json(folder / "model_index.json") if layout.keys else {}
    kept = {key: index.get(key) for key in layout.keys}
    paths = [path for part in layout.parts for path in files_below(folder / part)]
    return _digest_of(folder, paths, _json_digest(kept) if kept else b"")


def _digest_of(folder: Path, paths: list[Path], further: bytes = b"") -> str:
    digest = hashlib.sha256(further)
    for path in paths:
        if path.suffix in (".json", ".safetensors", ".txt", ".bin"):
            name = path.relative_to(folder).as_posix()
            digest.update(name.encode())
            if name == SCHEDULE:
                digest.update(_json_digest(training_schedule(folder)))
            elif name.endswith("config.json"):
                digest.update(_json_digest(json.loads(path.read_text(encoding="utf-8"))))
            else:
                digest.update(bytes.fromhex(file_sha256(path)))
    return digest.hexdigest()


def _json_digest(config: Mapping[str, Any]) -> bytes:
    kept = {key: value for key, value in config.items() if not key.startswith("_")}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).digest()


def load(folder: Path, layout: Layout, adapters: Sequence[Adapter] = (), keep_lora: bool = False) -> Any:
    """The pipeline of a folder, single precision, without what attribution does not need.

    Args:
        adapters, keep_lora: what is put into it, see `attribution.models.adapters.put_in`.

    Raises:
        ModelError: it cannot be read, cannot be asked, or would not be used whole. What a configuration
            or a file's name says is found before any weight is read.
    """
    layout.check(folder, in_folder(folder))
    if adapters and not layout.takes_adapters:
        raise ModelError(
            f"{adapters[0].path} cannot be put into {folder}: adapters of {layout.words} cannot be asked "
            f"yet; {FUSE}"
        )
    check_beside(folder, layout.parts, [adapter.path for adapter in adapters])
    parametrisation_of(scheduler_in(folder), torch.device("cpu"), folder)
    index = read_json(folder / "model_index.json")
    lacking = {part for part in layout.optional if not any(index.get(part) or ())}
    variant = variant_of(
        file_names(folder), folder, [part for part in layout.weighed if part not in lacking]
    )
    absent: dict[str, None] = {
        name: None for name in (*UNUSED, *lacking) if name in index or name in lacking
    }
    if "requires_safety_checker" in index or "safety_checker" in index:
        absent |= {"requires_safety_checker": False}  # type: ignore[dict-item]
    try:
        pipeline = DiffusionPipeline.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, variant=variant, **absent
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{folder} could not be read as a diffusers pipeline: {first_line}") from error
    _check_tensors(getattr(pipeline, layout.denoiser), folder / layout.denoiser, variant)
    put_in(pipeline, adapters, keep_lora)
    return pipeline


def file_names(folder: Path) -> list[str]:
    """All files of a folder, as seen from there."""
    return [path.relative_to(folder).as_posix() for path in files_below(folder) if path.is_file()]


def _check_tensors(denoiser: Any, part: Path, variant: str | None) -> None:
    """Refuse a denoiser whose files lack weights, which are then random, or have others, left out."""
    files = [
        path
        for path in part.glob("*.safetensors")
        if variants([path.name], "safetensors") == {variant or ""}
    ]
    stored = {name for path in files for name in tensor_names(path)}
    wrong = sorted(stored ^ set(denoiser.state_dict()))
    if wrong:
        raise ModelError(
            f"{part} does not hold the weights that its config.json asks for ({len(wrong)} are missing or "
            f"too many, such as {wrong[0]}): copy it again, or save it again without what was added to it"
        )


def load_checkpoint(folder: Path, kind: type[Any], part: str) -> tuple[Any, str]:
    """The denoiser of a pipeline folder, or of a folder that holds just one, and what names its contents.

    Args:
        part: its name in a pipeline.

    Raises:
        ModelError: it cannot be read.
    """
    own = folder / part if (folder / part).is_dir() else folder
    if not (own / "config.json").is_file():
        raise ModelError(
            f"{folder} is no checkpoint: give a pipeline folder, or a folder with a {part}'s weights"
        )
    variant = variant_of([path.name for path in own.iterdir()], own, [""])
    try:
        denoiser = kind.from_pretrained(
            own, torch_dtype=torch.float32, use_safetensors=True, variant=variant
        )
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"the {part} in {folder} could not be read: {first_line}") from error
    _check_tensors(denoiser, own, variant)
    return denoiser, _digest_of(own, files_below(own))


def downloaded(name: str) -> Path:
    """The folder of a pipeline of the hub; its weights come last, when all else says that they are wanted.

    Raises:
        ModelError: the hub may not be asked, did not give it, or it cannot be asked about.
    """
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        raise ModelError(f"there is no folder {name}, and HF_HUB_OFFLINE=1 forbids asking the hub for it")
    try:
        read = partial(_of_hub, name)
        family_of(name, read).layout.check(name, read)
        return Path(DiffusionPipeline.download(name, use_safetensors=True))
    except (OSError, ValueError) as error:
        raise ModelError(f"there is no folder {name}, and the hub did not give it: {error}") from error


def _of_hub(name: str, part: str) -> Config:
    """One configuration of a pipeline of the hub, and no more of it."""
    if part == INDEX:
        told = DiffusionPipeline.load_config(name)
    else:  # these classes know the names of such files; nothing is made of them
        kind = DDPMScheduler if part == "scheduler" else UNet2DConditionModel
        told = kind.load_config(name, subfolder=part)
    return dict(told)
