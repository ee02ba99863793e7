"""Whence beside a plain implementation of the published protocol, both sides in turn in one run.

Ours is timed twice, by torch and by the engine that answers questions here (`attribution.models.engines`).
Plain: every image at every timestep in single precision, the unlearned weights copied into a U-Net of
their own, keys and values recomputed for every draw, and the gradient over as many draws as the paper
takes. The losses before unlearning are taken as precomputed on both sides, and the noise is the same.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from attribution.engine import attribute
from attribution.gradients.query_context import QueryContext
from attribution.gradients.stored import GRADIENTS
from attribution.models.base import Weights, engine_of
from attribution.models.draws import probe_draws, stratified_draws
from attribution.models.engine_setting import TORCH, engine_set_to
from attribution.models.losses import loss_sweep
from attribution.models.stable_diffusion import PipelineModel
from attribution.query import Query, Settings
from attribution.workspace.baseline import LOSSES, training_latents
from attribution.workspace.workspace import Workspace
from benchmarks.unlearning import SETTINGS, unlearned_weights
from evaluation.statistics import spearman

PUBLISHED_DRAWS = 50_000  # of the gradient (AbU, MSCOCO)
PLAIN_BATCH = 64
TIMED_DRAWS = 512  # of the plain gradient; the rest is scaled


@dataclass(frozen=True)
class Comparison:
    """Seconds, measured on a slice and scaled to all training images where it says so.

    Attributes:
        engine: what ours was timed with, beside torch.
        plain_draw, torch_draw, our_draw: seconds a draw of the exhaustive scan, medians over rounds.
        torch_agreement, agreement: Spearman of the plain scores of the slice and ours.
        plain_gradient: seconds of the published gradient, scaled from fewer draws.
        plain_scan: seconds of the plain scan of all training images, scaled from the slice.
        torch_refined, refined: seconds of whole refined queries, measured.
        images, timed_draws: of the slice and of the plain gradient, from which is scaled.
    """

    engine: str
    plain_draw: float
    torch_draw: float
    our_draw: float
    torch_agreement: float
    agreement: float
    plain_gradient: float
    plain_scan: float
    torch_refined: tuple[float, ...]
    refined: tuple[float, ...]
    images: int
    timed_draws: int = TIMED_DRAWS

    @property
    def exhaustive_ratio(self) -> float:
        return self.plain_draw / self.our_draw

    @property
    def torch_ratio(self) -> float:
        return self.plain_draw / self.torch_draw

    @property
    def refined_ratio(self) -> float:
        """Of the time to an answer."""
        return (self.plain_gradient + self.plain_scan) / statistics.median(self.refined)


def compared(workspace: Workspace, rows: list[int], images: int = 192, rounds: int = 3) -> Comparison:
    """Time both sides; `rows` are the training images asked about with their own captions."""
    with engine_set_to(TORCH):
        by_torch = Workspace.open(workspace.folder, workspace.device)
        model = by_torch.model
    assert isinstance(model, PipelineModel)
    queries = [Query(workspace.training_set.image(r), workspace.training_set.captions[r]) for r in rows]
    weights = unlearned_weights(workspace, queries[0])
    slice_rows = np.linspace(0, len(workspace.training_set) - 1, images).astype(int)
    for each in (workspace, by_torch):
        training_latents(each, slice_rows)
        _our_scan(each, weights, slice_rows[:1])  # compiles what is compiled once
    sides = {
        "plain": lambda: _plain_scan(by_torch, model, weights, slice_rows),
        "torch": lambda: _our_scan(by_torch, weights, slice_rows),
        "ours": lambda: _our_scan(workspace, weights, slice_rows),
    }
    seconds, scores = _in_turn(sides, rounds)
    draws = images * len(workspace.probe.timesteps) * workspace.probe.noises
    refined = [(_refined(by_torch, query), _refined(workspace, query)) for query in queries]
    return Comparison(
        engine_of(workspace.model),
        plain_draw=seconds["plain"] / draws,
        torch_draw=seconds["torch"] / draws,
        our_draw=seconds["ours"] / draws,
        torch_agreement=spearman(scores["plain"], scores["torch"]),
        agreement=spearman(scores["plain"], scores["ours"]),
        plain_gradient=_plain_gradient(workspace, model, queries[0]) * PUBLISHED_DRAWS / TIMED_DRAWS,
        plain_scan=seconds["plain"] / images * len(workspace.training_set),
        torch_refined=tuple(seconds for seconds, _ in refined),
        refined=tuple(seconds for _, seconds in refined),
        images=images,
    )


def _in_turn(
    sides: Mapping[str, Callable[[], ndarray]], rounds: int
) -> tuple[dict[str, float], dict[str, ndarray]]:
    """The median seconds of each side over rounds of all of them, and what each returned."""
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    results = {}
    for _ in range(rounds):
        for side, run in sides.items():
            began = time.perf_counter()
            results[side] = run()
            seconds[side].append(time.perf_counter() - began)
    return {side: statistics.median(each) for side, each in seconds.items()}, results


def _plain_unet(model: PipelineModel, weights: Weights) -> UNet2DConditionModel:
    unet = copy.deepcopy(model.unet).to(memory_format=torch.contiguous_format)
    unet.load_state_dict({**unet.state_dict(), **{n: w.contiguous() for n, w in weights.items()}})
    return unet


def _noisy(model: PipelineModel, latents: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    schedule = model.scheduler.alphas_cumprod[t].to(model.device)[:, None, None, None]
    signal, rate = schedule.sqrt().float(), (1 - schedule).sqrt().float()
    target = (
        noise if model.scheduler.config.prediction_type == "epsilon" else signal * noise - rate * latents
    )
    return signal * latents + rate * noise, target


def _plain_scan(
    workspace: Workspace, model: PipelineModel, weights: Weights, rows: ndarray
) -> Float[ndarray, " n"]:
    unet = _plain_unet(model, weights)
    ids = [workspace.training_set.ids[row] for row in rows]
    latents = training_latents(workspace, rows).to(model.device)
    captions = model.encode_captions([workspace.training_set.captions[row] for row in rows])
    after = np.zeros(len(rows))
    probe = workspace.probe
    for d in probe_draws(probe, range(probe.noises), ids, model.latent_shape, PLAIN_BATCH):
        noisy, target = _noisy(model, latents[d.examples], d.noise.to(model.device), d.timesteps)
        with torch.no_grad():
            tokens, t = captions[d.examples].tokens, d.timesteps.to(model.device)
            predicted = unet(noisy, t, encoder_hidden_states=tokens).sample
        errors = model.parametrisation.weight.applied((predicted - target).square(), t)
        losses = errors.mean(dim=(1, 2, 3)).double().cpu().numpy()
        np.add.at(after, d.examples.numpy(), losses)
    before = workspace.load(LOSSES)[rows][..., : probe.noises].astype(float).sum(axis=(1, 2))
    scores: Float[ndarray, " n"] = (after - before) / (len(probe.timesteps) * probe.noises)
    return scores


def _our_scan(workspace: Workspace, weights: Weights, rows: ndarray) -> Float[ndarray, " n"]:
    model = workspace.model
    ids = [workspace.training_set.ids[row] for row in rows]
    captions = model.encode_captions([workspace.training_set.captions[row] for row in rows])
    after = np.empty(0)
    for _, after in loss_sweep(
        model,
        weights,
        training_latents(workspace, rows),
        captions,
        ids,
        workspace.probe,
        SETTINGS.batch_size,
    ):
        pass
    before = workspace.load(LOSSES)[rows][..., : workspace.probe.noises].astype(float)
    scores: Float[ndarray, " n"] = (after.astype(float) - before).mean(axis=(1, 2))
    return scores


def _plain_gradient(workspace: Workspace, model: PipelineModel, query: Query) -> float:
    """Seconds of `TIMED_DRAWS` draws by autograd through the weights themselves."""
    unet = _plain_unet(model, model.weights).requires_grad_(False)
    projections = [p for n, p in unet.named_parameters() if n in model.weights]
    for p in projections:
        p.requires_grad_(True)
    context = QueryContext(workspace, query, Settings())
    latent, caption = context.latent, context.conditioning
    draws = stratified_draws(model, TIMED_DRAWS, 0, "plain")
    began = time.perf_counter()
    gradient: tuple[Tensor, ...] = ()
    for start in range(0, TIMED_DRAWS, PLAIN_BATCH):
        part = slice(start, start + PLAIN_BATCH)
        noise, t = draws.noise[part].to(model.device), draws.timesteps[part]
        noisy, target = _noisy(model, latent.expand(len(t), -1, -1, -1), noise, t)
        tokens, t = caption.expand(len(t)).tokens, t.to(model.device)
        predicted = unet(noisy, t, encoder_hidden_states=tokens).sample
        errors = model.parametrisation.weight.applied((predicted - target).square(), t)
        gradient = torch.autograd.grad(errors.mean(), projections)
    gradient[0].cpu()  # waits for what a GPU has not finished
    return time.perf_counter() - began


def _refined(workspace: Workspace, query: Query) -> float:
    began = time.perf_counter()
    for _ in attribute(workspace, query, ["abu"], Settings(seed=int(began * 1e6) % 10**6)):
        pass  # a seed of its own, so that no gradient is remembered
    return time.perf_counter() - began


def first_order_seconds(workspace: Workspace, query: Query) -> tuple[float, float]:
    """Seconds to the provisional and to the whole first-order ranking."""
    began = time.perf_counter()
    seed = int(began * 1e6) % 10**6
    provisional = 0.0
    rows = np.arange(len(workspace.training_set))
    for gradient in QueryContext(workspace, query, Settings(seed=seed)).gradients():
        if not provisional:
            workspace.load(GRADIENTS).predict(gradient.mean, gradient.loss, 0.1, rows)
            provisional = time.perf_counter() - began
    workspace.load(GRADIENTS).predict(gradient.mean, gradient.loss, 0.1, rows)
    return provisional, time.perf_counter() - began
