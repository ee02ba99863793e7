"""Files that change a model: of which kind each is, and that none beside its parts is passed over.

A kind is told by the names of a file's tensors, which are read without the tensors, and where the file is
no safetensors by its own name. How they are put into a pipeline: `attribution.models.adapters`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from attribution.data.files import files_below
from attribution.errors import ModelError

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
AWAY = "move the file out of the folder to ask about the model without it"
FUSE = (
    "fuse it into the pipeline with diffusers (load_lora_weights, fuse_lora, unload_lora_weights, "
    "save_pretrained) and give the folder that was saved"
)


@dataclass(frozen=True)
class AdapterKind:
    """A way in which a file changes a model.

    Attributes:
        title: with its article.
        named: a pattern of names of such files.
        remedy: of one that cannot be put into a pipeline, what to do; "" where `--adapter` takes it.
    """

    title: str
    named: str = r"^\b$"  # no name
    remedy: str = ""


LORA = AdapterKind("a LoRA", r"lora|adapter_(model|config)")
CUSTOM_DIFFUSION = AdapterKind("of Custom Diffusion", r"custom_diffusion")
EMBEDDING = AdapterKind("a textual inversion", r"learned_embeds|textual_inversion|(^|/)<[^/]+>\.\w+$")
IP_ADAPTER = AdapterKind(
    "an IP-Adapter", r"ip[-_]?adapter", "pictures beside captions cannot be asked about"
)
OTHER_LOW_RANK = AdapterKind(
    "a low-rank adapter that is no plain LoRA (DoRA, LoHa, LoKr, OFT)", remedy=FUSE
)
HYPERNETWORK = AdapterKind("a hypernetwork", r"hypernet", "hypernetworks cannot be asked about")
KINDS = (IP_ADAPTER, CUSTOM_DIFFUSION, EMBEDDING, HYPERNETWORK, LORA)  # the more particular names first
INSIDE = {  # what names of tensors have in them, the more particular first
    r"^(image_proj|ip_adapter)\.|_ip\.": IP_ADAPTER,
    r"hada_|lokr_|(^|[._])oft_|dora_scale|lora_magnitude_vector": OTHER_LOW_RANK,
    r"custom_diffusion": CUSTOM_DIFFUSION,
    r"lora": LORA,
}
KEYS_AND_VALUES = r"attn2\.to_[kv]\.weight$"  # a file of nothing else: what Custom Diffusion trained
LEFT_BY_TRAINING = r"(optimizer|scheduler|scaler|rng_state|random_states|training_args)[^/]*$"


def kind_named(name: str) -> AdapterKind | None:
    """What a file's name says that it is; None where it says no such thing."""
    return next((kind for kind in KINDS if re.search(kind.named, name, re.IGNORECASE)), None)


def kind_inside(tensors: Collection[str]) -> AdapterKind | None:
    """What the names of a file's tensors say that it is; None for other weights."""
    for pattern, kind in INSIDE.items():
        if any(re.search(pattern, tensor) for tensor in tensors):
            return kind
    if tensors and all(re.search(KEYS_AND_VALUES, tensor) for tensor in tensors):
        return CUSTOM_DIFFUSION
    if tensors and not any("." in tensor for tensor in tensors):
        return EMBEDDING  # a tensor of each token, by the token
    return None


def how_to_use(kind: AdapterKind, path: str | Path) -> str:
    """What to do with such a file."""
    if kind.remedy:
        return kind.remedy
    if Path(path).suffix in WEIGHTS and Path(path).suffix != ".safetensors":
        return (
            f"pickles can run code: write it as safetensors (`python -m precompute convert {path} --out "
            "FOLDER`) and name that (--adapter FOLDER)"
        )
    named = Path(path).parent if Path(path).suffix == ".json" else path
    return f"name it beside its pipeline (--adapter {named})"


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


def check_beside(folder: Path, parts: Iterable[str], named: Collection[Path] = ()) -> None:
    """Refuse a pipeline folder in which an adapter lies, or a file of weights that is no part of it.

    Args:
        parts: the folders of the pipeline's own parts.
        named: files of adapters that are put in.

    Raises:
        ModelError: names the file and what to do with it.
    """
    own, used = tuple(f"{part}/" for part in parts), {path.resolve() for path in named}
    with_them = {path.parent for path in used}
    for path in filter(Path.is_file, files_below(folder)):
        beside_one = path.name == "adapter_config.json" and path.resolve().parent in with_them
        if path.resolve() in used or beside_one:
            continue
        name = path.relative_to(folder).as_posix()
        if "learned_embeds" not in name or not _is_in_tokenizer(folder, path):
            _check_name(path, name)
        if path.suffix in WEIGHTS and not re.search(LEFT_BY_TRAINING, name):
            _check_tensors(path, name, name.startswith(own), folder)


def _check_name(path: Path, name: str) -> None:
    """Refuse a file of a folder that is an adapter by its name.

    Raises:
        ModelError: names the file and what to do with it.
    """
    kind = kind_named(name)
    if kind is not None and (path.suffix in WEIGHTS or name.endswith("adapter_config.json")):
        raise _unused(kind, path)


def _check_tensors(path: Path, name: str, is_own: bool, folder: Path) -> None:
    inside = tensor_names(path) if path.suffix == ".safetensors" else []
    kind = kind_inside(inside)
    if is_own:
        if kind not in (None, EMBEDDING) or any(".base_layer." in tensor for tensor in inside):
            raise ModelError(f"{path} has an adapter that is not fused into its weights: {FUSE}")
    elif _is_in_tokenizer(folder, path):
        return
    elif kind is not None and (kind != EMBEDDING or "/" not in name):
        raise _unused(kind, path)
    elif "/" not in name and not is_whole(path, inside):
        raise ModelError(f"{path} is no part of the pipeline and would not be used: {AWAY}")


def _unused(kind: AdapterKind, path: Path) -> ModelError:
    return ModelError(f"{path} is {kind.title} and would not be used: {how_to_use(kind, path)}; or {AWAY}")


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
