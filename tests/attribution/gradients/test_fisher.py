"""Laws of the diagonal Fisher information."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch
from torch.func import functional_call

from attribution.gradients.allotment import Allotment
from attribution.gradients.fisher import (
    DrawBatch,
    Layers,
    Sums,
    cut_shares,
    draw_batches,
    effective_draws,
    fisher_chunk,
    mean_of_chunks,
    squares,
    summed,
    summed_at_once,
)
from attribution.models.stable_diffusion import PipelineModel
from attribution.rng import gaussian, generator
from attribution.workspace.baseline import training_inputs, training_latents
from attribution.workspace.workspace import Workspace
from demo.diffusion import MIN_SNR_GAMMA


def plain_fisher(workspace: Workspace, rows: list[int], draws: int, seed: int) -> dict[str, torch.Tensor]:
    """One draw at a time through autograd, in the loss of training: the slow, obvious version."""
    model = workspace.model
    assert isinstance(model, PipelineModel)
    total = {name: torch.zeros(w.shape, dtype=torch.float64) for name, w in model.weights.items()}
    for row in rows:
        example = workspace.training_set.examples[row]
        latent = training_latents(workspace, [row])
        caption = model.encode_captions([example.caption])
        for draw in range(draws):
            t = int((draw + generator(seed, "fisher-t", example.id, draw).random()) / draws * 1000)
            noise = gaussian(seed, "fisher", example.id, draw, model.latent_shape)[None]
            signal = model.scheduler.alphas_cumprod[t]
            noisy = signal.sqrt() * latent + (1 - signal).sqrt() * noise
            target = signal.sqrt() * noise - (1 - signal).sqrt() * latent
            weights = {name: w.clone().requires_grad_() for name, w in model.weights.items()}
            out = functional_call(
                model.unet, weights, (noisy, t), {"encoder_hidden_states": caption.tokens}
            ).sample
            snr = signal / (1 - signal)
            loss = snr.clamp(max=MIN_SNR_GAMMA) / (snr + 1) * (out - target).square().mean()
            gradients = torch.autograd.grad(loss, list(weights.values()))
            for name, gradient in zip(weights, gradients, strict=True):
                total[name] += gradient.double() ** 2
    return {name: value / (len(rows) * draws) for name, value in total.items()}


def chunk(
    workspace: Workspace,
    rows: list[int],
    draws: int,
    batch_size: int,
    allotment: Allotment | None = None,
    seed: int = 5,
) -> Sums:
    training_set = workspace.training_set
    return fisher_chunk(
        workspace.model,
        training_latents(workspace, rows),
        workspace.model.encode_captions([training_set.captions[row] for row in rows]),
        [training_set.ids[row] for row in rows],
        draws,
        seed=seed,
        batch_size=batch_size,
        allotment=allotment,
    )


def test_fisher_equals_a_plain_loop_with_an_uneven_last_batch(tiny_world: Workspace) -> None:
    """Law: The Fisher information is that of a plain loop, also with an uneven last batch."""
    rows = [0, 3, 4, 9, 17]
    fast = mean_of_chunks(iter([chunk(tiny_world, rows, draws=3, batch_size=4)]))  # 15 = 4+4+4+3
    slow = plain_fisher(tiny_world, rows, draws=3, seed=5)
    for name in slow:
        torch.testing.assert_close(fast[name], slow[name], rtol=2e-3, atol=1e-12)


def test_fisher_is_the_mean_over_draws_however_it_is_chunked(tiny_world: Workspace) -> None:
    """A short last chunk must not count for more than the examples it has."""
    whole = mean_of_chunks(iter([chunk(tiny_world, [0, 1, 2, 3, 4], 2, 64)]))
    parts = mean_of_chunks(iter([chunk(tiny_world, [0, 1, 2, 3], 2, 3), chunk(tiny_world, [4], 2, 3)]))
    for name in whole:
        assert whole[name].dtype == torch.float64
        torch.testing.assert_close(parts[name], whole[name], rtol=1e-4, atol=1e-14)


def test_draws_allotted_unevenly_have_the_same_mean(tiny_world: Workspace) -> None:
    """Law: However draws are spread over timesteps, the Fisher information's expectation is the same."""
    late = np.where(np.arange(1000) < 500, 0.5, 1.5) / 1000
    rows = list(range(12))
    even = mean_of_chunks([chunk(tiny_world, rows, 16, 64, seed=seed) for seed in range(2)])
    uneven = mean_of_chunks([chunk(tiny_world, rows, 16, 64, Allotment(late), seed) for seed in range(2)])
    traces = [np.array([float(fisher[name].sum()) for name in even]) for fisher in (even, uneven)]
    np.testing.assert_allclose(traces[1], traces[0], rtol=0.35)


def test_what_draws_add_is_held_one_layer_at_a_time(tiny_world: Workspace) -> None:
    """Law: Beside the sums themselves an expectation holds what is added to one layer, not to all."""
    inputs = training_inputs(tiny_world, range(3))
    batches = draw_batches(tiny_world.model, *inputs, draws=1, seed=0, batch_size=1)
    made: list[weakref.ref[torch.Tensor]] = []
    most = 0

    def watched(batch: DrawBatch) -> Layers:
        nonlocal most
        for name, value in squares(batch):
            made.append(weakref.ref(value))
            most = max(most, sum(each() is not None for each in made))
            yield name, value

    (total,) = summed_at_once(batches, [watched])
    assert len(total.values) > 2
    assert most == 2, "the one before is let go of when the next has been made"


def test_effective_draws_count_alike_draws_in_full_and_one_that_decides_as_one() -> None:
    """Law: An estimate that one draw decides effectively rests on one draw."""
    sizes = {
        "alike": torch.tensor([50.0, 50.0, 0.0]).double(),
        "decided": torch.tensor([3.0, 9.0, 1.0]).double(),
    }
    assert effective_draws(Sums({}, 50, sizes)) == {"alike": 50.0, "decided": 1.0}
    assert cut_shares(Sums({}, 50, sizes)) == {"alike": 0.0, "decided": 0.25}


def test_no_draw_adds_more_than_it_may_and_what_is_cut_is_told(tiny_world: Workspace) -> None:
    """Law: No single draw decides a layer of the Fisher information."""
    rows = list(range(6))
    whole = summed([chunk(tiny_world, rows, 4, 64)])
    name = next(iter(whole.values))
    trace = float(whole.sizes[name][0])
    even = Allotment.even(1000)
    most = trace / whole.draws / 2  # half of the mean
    cut = summed([chunk(tiny_world, rows, 4, 64, Allotment(even.probabilities, {name: most}))])
    assert float(cut.sizes[name][0]) <= most * cut.draws * 1.000001
    assert float(cut.values[name].sum()) == pytest.approx(float(cut.sizes[name][0]), rel=1e-5)
    kept_and_cut = float(cut.sizes[name][0] + cut.sizes[name][2])
    assert kept_and_cut == pytest.approx(trace, rel=1e-5)
    assert cut_shares(cut)[name] > 0.1
    others = [other for other in whole.values if other != name]
    assert all(torch.equal(cut.values[other], whole.values[other]) for other in others)
