"""Laws of the layers that are unlearned in: each draw's gradient, whatever the selector."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import SD3Transformer2DModel
from torch import Tensor, nn
from torch.func import functional_call

from attribution.errors import ModelError, UnknownNameError
from attribution.models.base import Generation, Weights, open_model
from attribution.models.batch import Batch
from attribution.models.draws import stratified_draws
from attribution.models.layer_calls import Applied, draw_factors
from attribution.models.layers import SELECTORS, selected
from attribution.models.skeletons import Skeletons
from attribution.models.stable_diffusion import PipelineModel

OFFERED = ("cross-attention-kv", "cross-attention", "all-linear")  # by a Stable Diffusion pipeline


def opened(folder: Path, layers: str, double: bool = True) -> PipelineModel:
    """The pipeline in double precision, so that two ways to a gradient can be told from rounding."""
    model = open_model(folder, layers=layers)
    assert isinstance(model, PipelineModel)
    if double:
        model.unet.double()
        model.weights = {name: weight.double() for name, weight in model.weights.items()}
    return model


def batch_of(model: PipelineModel, count: int = 4) -> Batch:
    """Draws of two pictures and their captions."""
    draws = stratified_draws(model, count, 0, "layers")
    latents = torch.randn(count, *model.latent_shape, generator=torch.Generator().manual_seed(1)).double()
    captions = model.encode_captions(["a red square", "a blue bar"]).map(Tensor.double)
    return Batch(latents, captions.repeat_interleave(count // 2), draws.noise.double(), draws.timesteps)


def plain_loss(model: PipelineModel, weights: Weights, draw: Batch) -> Tensor:
    """Of one draw, through the denoiser itself."""
    noisy, tokens = model.parametrisation.noisy(draw), draw.conditioning.tokens
    out = functional_call(model.unet, dict(weights), (noisy, draw.times), {"encoder_hidden_states": tokens})
    return (out.sample - model.parametrisation.target(draw)).square().mean()


def moved(weights: Weights) -> Weights:
    """Some other weights."""
    rng = torch.Generator().manual_seed(2)
    return {n: w + 0.05 * torch.randn(w.shape, generator=rng).to(w) for n, w in weights.items()}


@pytest.mark.parametrize("layers", OFFERED)
def test_factors_are_each_draws_own_gradient_by_autograd(foreign_pipeline: Path, layers: str) -> None:
    model = opened(foreign_pipeline, layers)
    batch, weights = batch_of(model), moved(model.weights)
    losses, factors = model.loss_and_factors(weights, batch)
    assert factors.keys() == weights.keys()
    for k in range(len(batch)):
        leaves = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
        loss = plain_loss(model, leaves, batch[k : k + 1])
        torch.testing.assert_close(losses[k], loss.detach())
        expected = torch.autograd.grad(loss, list(leaves.values()))
        for name, gradient in zip(leaves, expected, strict=True):
            found = factors[name].per_draw()[k]
            torch.testing.assert_close(found, gradient, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("layers", OFFERED)
def test_losses_under_given_weights_are_those_of_a_denoiser_that_has_them(
    foreign_pipeline: Path, layers: str
) -> None:
    model = opened(foreign_pipeline, layers)
    batch, loaded = batch_of(model), {n: w.clone() for n, w in model.unet.named_parameters()}
    for weights in (moved(model.weights), model.weights):
        found = model.squared_errors(weights, batch).mean(dim=(1, 2, 3))
        expected = [plain_loss(model, weights, batch[k : k + 1]) for k in range(len(batch))]
        torch.testing.assert_close(found, torch.stack(expected))
    assert all(torch.equal(w, loaded[name]) for name, w in model.unet.named_parameters())


def test_keys_and_values_projected_once_are_those_of_the_general_path(
    foreign_pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = opened(foreign_pipeline, "cross-attention-kv")
    general = dataclasses.replace(SELECTORS["cross-attention-kv"], reads_captions=False)
    monkeypatch.setitem(SELECTORS, general.name, general)
    every_time, batch, weights = opened(foreign_pipeline, general.name), batch_of(once), moved(once.weights)
    assert every_time.weights.keys() == once.weights.keys()
    losses, factors = once.loss_and_factors(weights, batch)
    other_losses, other_factors = every_time.loss_and_factors(weights, batch)
    torch.testing.assert_close(other_losses, losses)
    torch.testing.assert_close(
        every_time.squared_errors(weights, batch), once.squared_errors(weights, batch)
    )
    for name, factor in factors.items():
        torch.testing.assert_close(other_factors[name].inputs, factor.inputs)
        torch.testing.assert_close(other_factors[name].outputs, factor.outputs, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("layers", OFFERED)
def test_a_picture_is_made_with_the_weights_that_are_given(foreign_pipeline: Path, layers: str) -> None:
    model, made_from = opened(foreign_pipeline, layers, double=False), Generation("a red bar", steps=3)

    def picture(weights: Weights | None = None) -> bytes:
        *_, last = model.generate(made_from, weights)
        assert last.image is not None
        return last.image.tobytes()

    plain = picture()
    assert picture(model.weights) == plain
    assert picture(moved(moved(model.weights))) != plain
    assert picture() == plain


def test_a_model_without_such_layers_is_refused_and_what_it_has_is_named(foreign_pipeline: Path) -> None:
    for layers in ("lora", "joint-attention-context-kv"):
        with pytest.raises(ModelError, match=f"no {layers} layers .* has, {', '.join(OFFERED)}"):
            open_model(foreign_pipeline, layers=layers)
    with pytest.raises(UnknownNameError, match="choose one of cross-attention-kv"):
        open_model(foreign_pipeline, layers="everything")
    with pytest.raises(ModelError, match="no linear layer"):
        selected(nn.Conv2d(1, 1, 1), "all-linear", "here")


def test_a_model_says_which_layers_it_was_opened_with(foreign_pipeline: Path) -> None:
    assert open_model(foreign_pipeline).layers == "cross-attention-kv"
    assert open_model(foreign_pipeline, layers="all-linear").layers == "all-linear"


# --- denoisers of other families ------------------------------------------------------------------


class Adapted(nn.Module):
    """A linear layer with a low-rank adapter, which asks for its type as peft's do; used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(4, 4)
        self.lora_A = nn.ModuleDict({"default": nn.Linear(4, 2, bias=False)})
        self.lora_B = nn.ModuleDict({"default": nn.Linear(2, 4, bias=False)})

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(2):
            down, up = self.lora_A["default"], self.lora_B["default"]
            x = torch.tanh(self.base(x) + up(down(x.to(down.weight.dtype))))
        return x


def joint() -> tuple[nn.Module, Callable[[nn.Module, slice], Tensor]]:
    """A transformer whose captions attend with the latent, and its output for some draws."""
    torch.manual_seed(0)
    model = SD3Transformer2DModel(
        sample_size=4, patch_size=2, in_channels=2, out_channels=2, num_layers=2, attention_head_dim=8,
        num_attention_heads=2, joint_attention_dim=12, caption_projection_dim=16, pooled_projection_dim=10,
        pos_embed_max_size=4,
    ).double().eval()  # fmt: skip
    latents, tokens, pooled = torch.randn(3, 2, 4, 4), torch.randn(3, 5, 12), torch.randn(3, 10)
    given = [t.double() for t in (latents, tokens, pooled)]
    times = torch.tensor([10.0, 400.0, 900.0]).double()

    def run(denoiser: nn.Module, rows: slice) -> Tensor:
        latent, token, pool = (t[rows] for t in given)
        out: Tensor = denoiser(latent, token, pool, times[rows]).sample
        return out

    return model, run


def adapter() -> tuple[nn.Module, Callable[[nn.Module, slice], Tensor]]:
    torch.manual_seed(0)
    x = torch.randn(3, 6, 4).double()
    return nn.Sequential(Adapted()).double(), lambda denoiser, rows: denoiser(x[rows])


@pytest.mark.parametrize(
    ("layers", "made"), [("lora", adapter), ("joint-attention-context-kv", joint), ("all-linear", adapter)]
)
def test_the_general_path_reads_off_the_gradients_of_any_denoiser(
    layers: str, made: Callable[[], tuple[nn.Module, Callable[[nn.Module, slice], Tensor]]]
) -> None:
    denoiser, run = made()
    denoiser.requires_grad_(False)
    chosen = selected(denoiser, layers, "here")
    weights = moved({name: module.weight.detach() for name, module in chosen.items()})
    calls = {name: Applied(weight, chosen[name].bias) for name, weight in weights.items()}
    with Skeletons(denoiser, weights).using(calls) as skeleton:
        losses = run(skeleton, slice(None)).square().flatten(1).mean(dim=1)
    factors = draw_factors(losses, calls)
    leaves = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
    for name, module in chosen.items():
        module.weight = nn.Parameter(leaves[name].detach())
    parameters = [module.weight for module in chosen.values()]
    for k in range(len(losses)):
        loss = run(denoiser, slice(k, k + 1)).square().mean()
        torch.testing.assert_close(losses[k], loss)
        for name, gradient in zip(chosen, torch.autograd.grad(loss, parameters), strict=True):
            torch.testing.assert_close(factors[name].per_draw()[k], gradient, rtol=1e-6, atol=1e-12)


def test_a_layer_that_mixes_draws_or_takes_no_part_is_refused() -> None:
    mixing, unused = Applied(torch.ones(1, 2), None), Applied(torch.ones(1, 2), None)
    losses = mixing(torch.ones(1, 2)).expand(3, 1).sum(dim=1)
    with pytest.raises(ModelError, match="does not keep draws apart"):
        draw_factors(losses, {"mixing": mixing})
    with pytest.raises(ModelError, match="takes no part"):
        draw_factors(losses, {"unused": unused, "mixing": mixing})
