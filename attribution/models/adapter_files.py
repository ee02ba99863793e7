"""Files that change a model and lie beside its parts: a file that would not be used is never passed over.

LoRA, Custom Diffusion, textual inversion and IP-Adapter are told by their names, and LoRA in safetensors
by the names of its tensors, which are read without the tensors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from attribution.errors import ModelError

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
AWAY = "move the file out of the folder to ask about the model without it"
FUSE = (
    "fuse it into the pipeline with diffusers (load_lora_weights, fuse_lora, unload_lora_weights, "
    "save_pretrained) and give the folder that was saved"
)
LORA, EMBEDDING = "a LoRA", "a textual inversion"
# What a name says of a file, the more particular first; and what to do.
KINDS = {
    r"ip[-_]?adapter": ("an IP-Adapter", "pictures beside captions cannot be asked about"),
    r"custom_diffusion|(^|/)<[^/]+>\.\w+$": (
        "of Custom Diffusion",
        "write its keys and values into the U-Net's to_k and to_v, and its token into the text encoder",
    ),
    r"learned_embeds|textual_inversion": (
        EMBEDDING,
        "put it into the pipeline with diffusers (load_textual_inversion, save_pretrained) and give the "
        "folder that was saved",
    ),
    r"hypernet": ("a hypernetwork", "hypernetworks cannot be asked about"),
    r"lora|adapter_(model|config)": (LORA, FUSE),
}
INSIDE = r"lora|\.base_layer\.|custom_diffusion|_ip\.|hada_w|(^|[._])oft_"  # names of tensors of adapters
LEFT_BY_TRAINING = r"(optimizer|scheduler|scaler|rng_state|random_states|training_args)[^/]*$"


def adapter_kind(name: str) -> tuple[str, str] | None:
    """What a file's name says that it is, and what to do with it; None where it says no such thing."""
    return next((told for pattern, told in KINDS.items() if re.search(pattern, name, re.IGNORECASE)), None)


def tensor_names(path: Path) -> list[str]:
    """Of a safetensors file, without reading a tensor.

    Raises:
        ModelError: it is damaged.
    """
    try:
        with safe_open(path, framework="numpy") as opened:
            return list(opened.keys())
    except (SafetensorError, OSError) as problem:
        raise ModelError(f"{path} is damaged: copy it again") from problem


def check_beside(folder: Path, parts: Iterable[str]) -> None:
    """Refuse a pipeline folder in which an adapter lies, or a file of weights that is no part of it.

    Args:
        parts: the folders of the pipeline's own parts.

    Raises:
        ModelError: names the file and what to do with it.
    """
    own = tuple(f"{part}/" for part in parts)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if "learned_embeds" not in name or not _is_in_tokenizer(folder, path):
            _check_name(name, folder)
        if path.suffix not in WEIGHTS or re.search(LEFT_BY_TRAINING, name):
            continue
        inside = tensor_names(path) if path.suffix == ".safetensors" else []
        if any(re.search(INSIDE, tensor) for tensor in inside):
            if name.startswith(own):
                raise ModelError(f"{path} has an adapter that is not fused into its weights: {FUSE}")
            raise ModelError(f"{path} is {LORA} and would not be used: {FUSE}; or {AWAY}")
        if "/" not in name and not is_whole(path, inside) and not _is_in_tokenizer(folder, path):
            raise ModelError(f"{path} is no part of the pipeline and would not be used: {AWAY}")


def _check_name(name: str, source: Path) -> None:
    """Refuse a file of a folder that is an adapter by its name.

    Raises:
        ModelError: names the file and what to do with it.
    """
    told = adapter_kind(name)
    if told is not None and (Path(name).suffix in WEIGHTS or name.endswith("adapter_config.json")):
        raise ModelError(f"{source}/{name} is {told[0]} and would not be used: {told[1]}; or {AWAY}")


def is_whole(path: Path, inside: Iterable[str]) -> bool:
    """Whether a file is a whole model for other programs, as many repositories have beside its parts."""
    return path.suffix == ".ckpt" or any(name.startswith("model.diffusion_model.") for name in inside)


def _is_in_tokenizer(folder: Path, path: Path) -> bool:
    """Whether a file holds embeddings of tokens that the pipeline was saved with."""
    if path.suffix != ".safetensors":
        return False
    known: set[str] = set()
    for name, tokens in (("added_tokens.json", _keys), ("tokenizer.json", _contents)):
        stored = folder / "tokenizer" / name
        if stored.is_file():
            known |= tokens(json.loads(stored.read_text(encoding="utf-8")))
    return set(tensor_names(path)) <= known


def _keys(added: Mapping[str, Any]) -> set[str]:
    return set(added)


def _contents(tokenizer: Mapping[str, Any]) -> set[str]:
    return {str(token["content"]) for token in tokenizer.get("added_tokens", ())}
