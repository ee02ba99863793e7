"""The files of a diffusers pipeline: reading them, and what names their contents."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline

from attribution.data.files import file_sha256
from attribution.errors import ModelError

PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")


def fingerprint_of(folder: Path) -> str:
    """SHA-256 over the names and contents of everything that decides what the pipeline computes.

    What a configuration says of its own history (`_name_or_path`, `_diffusers_version`) does not.
    """
    return _digest_of(folder, [path for part in PARTS for path in sorted((folder / part).rglob("*"))])


def _digest_of(folder: Path, paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        if path.suffix in (".json", ".safetensors", ".txt", ".bin"):
            digest.update(path.relative_to(folder).as_posix().encode())
            config = path.name.endswith("config.json")
            digest.update(_config_digest(path) if config else bytes.fromhex(file_sha256(path)))
    return digest.hexdigest()


def _config_digest(path: Path) -> bytes:
    config = json.loads(path.read_text(encoding="utf-8"))
    kept = {key: value for key, value in config.items() if not key.startswith("_")}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).digest()


def load(folder: Path) -> Any:
    """The pipeline of a folder, single precision, without what attribution does not need.

    Raises:
        ModelError: it cannot be read, or is no Stable Diffusion pipeline.
    """
    index = json.loads((folder / "model_index.json").read_text())
    absent: dict[str, None] = {
        name: None for name in ("safety_checker", "feature_extractor", "image_encoder") if name in index
    }
    if "requires_safety_checker" in index or "safety_checker" in index:
        absent |= {"requires_safety_checker": False}  # type: ignore[dict-item]
    try:
        pipeline = DiffusionPipeline.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, **absent
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{folder} could not be read as a diffusers pipeline: {first_line}") from error
    missing = [part for part in PARTS if getattr(pipeline, part, None) is None]
    if missing:
        raise ModelError(f"{folder} is not a Stable Diffusion pipeline: it has no {', '.join(missing)}")
    return pipeline


def load_checkpoint(folder: Path, kind: type[Any]) -> tuple[Any, str]:
    """The U-Net of a pipeline folder, or of a folder that holds just one, and what names its contents.

    Raises:
        ModelError: it cannot be read.
    """
    own = folder / "unet" if (folder / "unet").is_dir() else folder
    if not (own / "config.json").is_file():
        raise ModelError(
            f"{folder} is no checkpoint: give a pipeline folder, or a folder with a U-Net's weights"
        )
    try:
        unet = kind.from_pretrained(own, torch_dtype=torch.float32, use_safetensors=True)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"the U-Net in {folder} could not be read: {first_line}") from error
    return unet, _digest_of(own, sorted(own.rglob("*")))


def downloaded(name: str) -> Path:
    """The folder of a pipeline of the hub.

    Raises:
        ModelError: the hub may not be asked, or did not give it.
    """
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        raise ModelError(f"there is no folder {name}, and HF_HUB_OFFLINE=1 forbids asking the hub for it")
    try:
        return Path(DiffusionPipeline.download(name, use_safetensors=True))
    except (OSError, ValueError) as error:
        raise ModelError(f"there is no folder {name}, and the hub did not give it: {error}") from error
