"""Which of a part's files hold its weights: plain safetensors, or a variant of them such as fp16."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from attribution.errors import ModelError

NAME = r"(?:diffusion_pytorch_model|pytorch_model|model)(?:\.(?P<variant>\w+))?\.(?P<kind>safetensors|bin)$"
CONVERT = (
    "write them as safetensors (`python -m precompute convert FOLDER --out OTHER`) and give the folder "
    "that was written"
)


def variants(names: Iterable[str], kind: str) -> set[str]:
    """The variants in which weights of a kind of file are there; "" for plain ones."""
    whole = (re.match(NAME, re.sub(r"-\d{5}-of-\d{5}", "", name)) for name in names)
    return {each["variant"] or "" for each in whole if each is not None and each["kind"] == kind}


def variant_of(names: Iterable[str], source: str | Path, parts: Iterable[str]) -> str | None:
    """The variant that a pipeline has to be loaded in; None where its plain weights are all there.

    Args:
        names: of its files, as seen from its folder.
        parts: the folders in which weights must lie; "" for the folder itself.

    Raises:
        ModelError: a part has no weights that are read, or the parts have no variant in common.
    """
    names, needed = list(names), list[set[str]]()
    for part in parts:
        prefix = f"{part}/" if part else ""
        own = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
        found = variants(own, "safetensors")
        if not found:
            raise ModelError(f"{source}: {_without(part, own)}")
        if "" not in found:
            needed.append(found)
    if not needed:
        return None
    common = set.intersection(*needed)
    if len(common) != 1:
        said = "; ".join(", ".join(sorted(each)) for each in needed)
        raise ModelError(
            f"{source} has no plain weights, and its parts' variants ({said}) do not name one for all: "
            "save it in one variant with diffusers (save_pretrained)"
        )
    return common.pop()


def _without(part: str, own: list[str]) -> str:
    where = f"the {part}" if part else "it"
    if variants(own, "bin"):
        return f"the weights of {where} are pickles (.bin), which can run code and are not read: {CONVERT}"
    return f"{where} has no weights (.safetensors): copy the whole pipeline folder"
