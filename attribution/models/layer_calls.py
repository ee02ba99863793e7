"""How selected layers run with weights that are values, and how each draw's gradient is read off.

A loaded layer is never called: one of these stands in its place (`attribution.models.skeletons`).

Projected  has its output beforehand, once for each caption: of layers that read nothing but captions
Applied    multiplies what it is given

Where gradients are enabled, both keep what a gradient is taken with respect to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from attribution.errors import ModelError, NonFiniteError
from attribution.models.base import Factors, Weights

Biases = Mapping[str, Tensor | None]


@runtime_checkable
class LayerCall(Protocol):
    """Stands for a layer while its denoiser runs.

    Attributes:
        inputs, outputs: of each time it ran, where gradients are enabled.
    """

    inputs: list[Tensor]
    outputs: list[Tensor]

    def __call__(self, inputs: Tensor) -> Tensor: ...


class Projected:
    """Gives what was computed beforehand. Its output depends on caption and weight alone: it is a leaf.

    Like its weight it is in single precision, whatever the denoiser around it computes in.
    """

    def __init__(self, tokens: Float[Tensor, "n tokens in"], output: Float[Tensor, "n tokens out"]):
        self.inputs = [tokens.detach()]
        self.outputs = [output.detach().requires_grad_(torch.is_grad_enabled())]

    def __call__(self, inputs: Tensor) -> Tensor:
        return self.outputs[0].to(inputs.dtype)


class Applied:
    """Multiplies its input by the weight it was given, in that one's precision."""

    def __init__(self, weight: Float[Tensor, "out in"], bias: Tensor | None):
        self.weight, self.bias = weight, bias
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []

    def __call__(self, inputs: Tensor) -> Tensor:
        output = functional.linear(inputs.to(self.weight.dtype), self.weight, self.bias)
        if torch.is_grad_enabled():
            if not output.requires_grad:  # nothing before it has a gradient either
                output.requires_grad_()
            self.inputs.append(inputs.detach().to(self.weight.dtype))
            self.outputs.append(output)
        return output.to(inputs.dtype)


@dataclass(frozen=True, eq=False)
class Projections:
    """What layers make of captions, once for each run of draws with the same caption.

    Attributes:
        distinct: of each layer, by name.
        run: which of them is each draw's.
    """

    distinct: Mapping[str, Float[Tensor, "runs tokens out"]]
    run: Int[Tensor, " n"]

    def of_each_draw(self) -> dict[str, Float[Tensor, "n tokens out"]]:
        return {name: output[self.run] for name, output in self.distinct.items()}


def projections(weights: Weights, biases: Biases, tokens: Float[Tensor, "n tokens d"]) -> Projections:
    """What each layer makes of each draw's caption."""
    differs = (tokens[1:] != tokens[:-1]).flatten(1).any(dim=1)
    run = torch.cat([differs.new_zeros(1), differs]).cumsum(0)  # which run a draw belongs to
    first = torch.cat([differs.new_ones(1), differs])
    distinct = tokens[first]
    outputs = {name: functional.linear(distinct, weight, biases[name]) for name, weight in weights.items()}
    return Projections(outputs, run)


def projected(
    weights: Weights, biases: Biases, tokens: Float[Tensor, "n tokens d"]
) -> dict[str, Float[Tensor, "n tokens out"]]:
    """The same, with a row for each draw."""
    return projections(weights, biases, tokens).of_each_draw()


def draw_factors(
    losses: Float[Tensor, " n"], calls: Mapping[str, LayerCall], scale: float = 1.0
) -> dict[str, Factors]:
    """The gradient of every draw's loss with respect to each layer's weight.

    One draw's loss depends on its own rows of a layer's output alone: the gradient of the sum with
    respect to them is each draw's own.

    Args:
        scale: what losses are multiplied by on the way, so that no gradient vanishes by rounding.

    Raises:
        ModelError: a layer takes no part in the loss, or has not one row for each draw.
        NonFiniteError: a gradient so multiplied is larger than its precision can hold.
    """
    # As they stand now: what a denoiser computes again, layers keep again.
    ran = {name: ([*call.inputs], [*call.outputs]) for name, call in calls.items()}
    outputs = [output for _, of_call in ran.values() for output in of_call]
    # What the loss does not depend on has a gradient of zero.
    gradients = iter(torch.autograd.grad(losses.sum() * scale, outputs, materialize_grads=True))
    factors = {}
    for name, (inputs, of_call) in ran.items():
        own = [next(gradients) / scale for _ in of_call]
        if not own:
            raise ModelError(f"{name} takes no part in a prediction: choose other layers")
        if any(len(rows) != len(losses) for rows in (*own, *inputs)):
            raise ModelError(f"{name} does not keep draws apart, so none has a gradient of its own")
        factors[name] = Factors(_tokens(own), _tokens(inputs))
    if scale != 1 and losses.isfinite().all():
        _check_finite(factors)
    return factors


def _check_finite(factors: Mapping[str, Factors]) -> None:
    if not all(factor.outputs.isfinite().all() for factor in factors.values()):
        raise NonFiniteError(
            "a gradient of this model is larger than fp16 can hold: bind the workspace to bf16 with "
            "`python -m precompute init --precision bf16 --workspace DIR`"
        )


def joined_factors(
    parts: Sequence[tuple[Float[Tensor, " _"], Mapping[str, Factors]]],
) -> tuple[Float[Tensor, " draws"], dict[str, Factors]]:
    """The losses and factors of several passes, draw after draw."""
    (losses, factors), *more = parts
    if not more:
        return losses, dict(factors)
    joined = {}
    for name in factors:
        outputs, inputs = zip(*((own[name].outputs, own[name].inputs) for _, own in parts), strict=True)
        joined[name] = Factors(torch.cat(outputs), torch.cat(inputs))
    return torch.cat([own for own, _ in parts]), joined


def _tokens(of_calls: Sequence[Float[Tensor, "n *places width"]]) -> Float[Tensor, "n tokens width"]:
    """Rows of all calls, whatever the layer was applied to at each place of (tokens, cells, nothing)."""
    if len(of_calls) == 1 and of_calls[0].dim() == 3:
        return of_calls[0]
    return torch.cat([rows.reshape(len(rows), -1, rows.shape[-1]) for rows in of_calls], dim=1)
