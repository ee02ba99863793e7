"""Laws of the diagonal Fisher information."""

from __future__ import annotations

import torch
from torch.func import functional_call

from attribution.gradients.fisher import Sums, fisher_chunk, mean_of_chunks
from attribution.models.stable_diffusion import PipelineModel
from attribution.rng import gaussian, generator
from attribution.workspace.baseline import training_latents
from attribution.workspace.workspace import Workspace


def plain_fisher(workspace: Workspace, rows: list[int], draws: int, seed: int) -> dict[str, torch.Tensor]:
    """One draw at a time through autograd: the slow, obvious version."""
    model = workspace.model
    assert isinstance(model, PipelineModel)
    total = {name: torch.zeros(w.shape, dtype=torch.float64) for name, w in model.weights.items()}
    for row in rows:
        example = workspace.training_set.examples[row]
        latent = training_latents(workspace, [row])
        caption = model.encode_captions([example.caption])
        for draw in range(draws):
            t = int(generator(seed, "fisher-t", example.id, draw).integers(1000))
            noise = gaussian(seed, "fisher", example.id, draw, model.latent_shape)[None]
            signal = model.scheduler.alphas_cumprod[t]
            noisy = signal.sqrt() * latent + (1 - signal).sqrt() * noise
            target = signal.sqrt() * noise - (1 - signal).sqrt() * latent
            weights = {name: w.clone().requires_grad_() for name, w in model.weights.items()}
            out = functional_call(
                model.unet, weights, (noisy, t), {"encoder_hidden_states": caption.tokens}
            ).sample
            gradients = torch.autograd.grad((out - target).square().mean(), list(weights.values()))
            for name, gradient in zip(weights, gradients, strict=True):
                total[name] += gradient.double() ** 2
    return {name: value / (len(rows) * draws) for name, value in total.items()}


def chunk(workspace: Workspace, rows: list[int], draws: int, batch_size: int) -> Sums:
    training_set = workspace.training_set
    return fisher_chunk(
        workspace.model,
        training_latents(workspace, rows),
        workspace.model.encode_captions([training_set.captions[row] for row in rows]),
        [training_set.ids[row] for row in rows],
        draws,
        seed=5,
        batch_size=batch_size,
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
