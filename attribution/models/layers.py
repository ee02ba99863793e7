"""Which layers of a denoiser are unlearned in, by a name that a workspace can be bound to.

cross-attention-kv          keys and values of the caption (AbU, section 3.3)
cross-attention             queries and output projections as well
joint-attention-context-kv  keys and values of the caption's stream, where attention is joint
lora                        the low-rank matrices of adapters, which are then kept beside the weights
all-linear                  every linear layer
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from attribution.errors import ModelError, UnknownNameError

CROSS_ATTENTION_KV = "cross-attention-kv"
LORA = "lora"
JOINT_ATTENTION_CONTEXT_KV = "joint-attention-context-kv"
ALL_LINEAR = "all-linear"


@dataclass(frozen=True)
class LayerSelector:
    """A named choice of linear layers.

    Attributes:
        pattern: of their dotted names, a regular expression.
        reads_captions: whether all of them are given the tokens of the caption and nothing else. These
            are the same in every layer and at every draw, so what the layers make of them can be computed
            once for each caption, and one basis of inputs serves all layers.
    """

    name: str
    pattern: str
    reads_captions: bool = False

    def modules(self, denoiser: nn.Module) -> dict[str, nn.Linear]:
        """The chosen layers, by the names of their weights."""
        return {
            f"{name}.weight": module
            for name, module in denoiser.named_modules()
            # Of that very type: what derives from it may use its weight without calling it.
            if type(module) is nn.Linear and re.search(self.pattern, name)
        }


SELECTORS = {
    selector.name: selector
    for selector in (
        LayerSelector(CROSS_ATTENTION_KV, r"attn2\.to_[kv]$", reads_captions=True),
        LayerSelector("cross-attention", r"attn2\.to_(q|k|v|out\.0)$"),
        LayerSelector(JOINT_ATTENTION_CONTEXT_KV, r"attn\.add_[kv]_proj$"),
        LayerSelector(LORA, r"\.lora_[AB](\.\w+)?$"),
        LayerSelector(ALL_LINEAR, r""),
    )
}


def selector(name: str) -> LayerSelector:
    """A selector by its name.

    Raises:
        UnknownNameError: there is none; names those that there are.
    """
    if name not in SELECTORS:
        raise UnknownNameError(f"layers {name!r} are not known: choose one of {', '.join(SELECTORS)}")
    return SELECTORS[name]


def selected(denoiser: nn.Module, name: str, source: str | Path) -> dict[str, nn.Linear]:
    """The layers of that name in the denoiser of the model at `source`.

    Raises:
        ModelError: it has none of them; names what it does have.
        UnknownNameError: there is no such selector.
    """
    modules = selector(name).modules(denoiser)
    if not modules:
        offered = [other.name for other in SELECTORS.values() if other.modules(denoiser)]
        had = f"choose from what it has, {', '.join(offered)}" if offered else "it has no linear layer"
        raise ModelError(f"{source} has no {name} layers to unlearn in: {had}")
    return modules
