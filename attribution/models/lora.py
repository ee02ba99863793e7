"""LoRA (Hu et al. 2022): low-rank changes of weights, as diffusers, kohya and peft save them.

The effective weight of a layer is `W + (alpha / rank) B A`, with A (rank, in) and B (out, rank). Either it
takes the place of W, or the layer is left as it is, `lora_A` and `lora_B` beside it, to be unlearned in.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import nn

from attribution.errors import ModelError
from attribution.models.adapter_files import tensor_names

PEFT_PREFIX = "base_model.model."  # of names of tensors, where peft itself saved them
PEFT_CONFIG = "adapter_config.json"  # which then lies beside
DENOISERS = ("unet", "transformer")  # what pipelines call theirs


def add_lora(pipeline: Any, path: Path, name: str) -> None:
    """Put low-rank matrices beside the weights of a pipeline's parts, under a name for all of them.

    Raises:
        ModelError: it was made for another model, or would not be used whole.
    """
    names = tensor_names(path)
    try:
        with warnings.catch_warnings():  # of adapters side by side, which is what is meant
            warnings.filterwarnings("ignore", "Already found a `peft_config`")
            if all(each.startswith(PEFT_PREFIX) for each in names):
                _add_peft(pipeline, path, name)
            else:
                pipeline.load_lora_weights(
                    str(path.parent), weight_name=path.name, adapter_name=name, use_safetensors=True
                )
    except ImportError as problem:
        raise ModelError(f"{path} needs the package peft: pip install -r requirements.txt") from problem
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as problem:
        first_line = (str(problem).strip() or type(problem).__name__).splitlines()[0]
        raise ModelError(f"{path} does not fit the pipeline: {first_line}") from problem
    stored = sum(not each.endswith("alpha") for each in names)
    used = sum(name in each.split(".") for part in _parts(pipeline).values() for each in part.state_dict())
    if used < stored:
        raise ModelError(
            f"{path} does not fit the pipeline: {stored - used} of its {stored} tensors would not be used; "
            "give the pipeline that it was trained for"
        )


def _add_peft(pipeline: Any, path: Path, name: str) -> None:
    """What peft saved of one part, with its configuration beside.

    Raises:
        ModelError: the pipeline has no such part.
    """
    from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict

    tensors = {key.removeprefix(PEFT_PREFIX): value for key, value in load_file(path).items()}
    layers = {key.split(".lora_")[0] for key in tensors}
    for part in _parts(pipeline).values():
        if layers <= {module for module, _ in part.named_modules()}:
            config = LoraConfig.from_pretrained(str(path.parent))
            inject_adapter_in_model(config, part, adapter_name=name, state_dict=tensors)
            set_peft_model_state_dict(part, tensors, adapter_name=name)
            return
    raise ModelError(
        f"{path} does not fit the pipeline: no part of it has the layer {min(layers)}; give the pipeline "
        "that it was trained for"
    )


def add_to_weights(pipeline: Any, kept: Iterable[str] = ()) -> None:
    """Add all low-rank changes to the weights they change, and take away their matrices.

    Args:
        kept: parts that are left as they are.
    """
    from diffusers.utils.peft_utils import recurse_remove_peft_layers

    for name, part in _parts(pipeline).items():
        layers = list(_adapted_layers(part))
        if name in kept or not layers:
            continue
        for layer in layers:
            layer.merge()
        recurse_remove_peft_layers(part)
        del part.peft_config  # otherwise the next adapter would stand beside one that is gone
        part._hf_peft_config_loaded = False


def use_together(pipeline: Any) -> None:
    """Have all adapters of each layer used that has several, not the first alone."""
    for part in _parts(pipeline).values():
        for layer in _adapted_layers(part):
            layer.set_adapter(list(layer.scaling))


def _parts(pipeline: Any) -> dict[str, Any]:
    """The parts that have weights."""
    return {name: part for name, part in pipeline.components.items() if isinstance(part, nn.Module)}


def _adapted_layers(part: Any) -> Iterator[Any]:
    from peft.tuners.lora import LoraLayer

    return (module for module in part.modules() if isinstance(module, LoraLayer))
