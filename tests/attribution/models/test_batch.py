"""Laws of a batch of draws and of what their denoiser is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from attribution.models.batch import Batch, Conditioning
from attribution.models.draws import stratified_draws
from attribution.models.losses import draw_losses
from attribution.workspace.baseline import training_latents
from attribution.workspace.workspace import Workspace

ROWS = torch.tensor([2, 0, 2])

# Each operation of the tree, and what it is on a tensor.
OPERATIONS: dict[str, tuple[Callable[[Conditioning], Conditioning], Callable[[Tensor], Tensor]]] = {
    "rows": (lambda tree: tree[ROWS], lambda leaf: leaf[ROWS]),
    "slice": (lambda tree: tree[1:], lambda leaf: leaf[1:]),
    "expand": (lambda tree: tree[:1].expand(5), lambda leaf: torch.cat([leaf[:1]] * 5)),
    "repeat": (lambda tree: tree.repeat_interleave(2), lambda leaf: leaf.repeat_interleave(2, dim=0)),
    "device": (lambda tree: tree.to(torch.device("cpu")), lambda leaf: leaf),
    "map": (lambda tree: tree.map(torch.neg), torch.neg),
    "concatenation": (
        lambda tree: Conditioning.concatenated([tree, tree[:1]]),
        lambda leaf: torch.cat([leaf, leaf[:1]]),
    ),
}


@pytest.fixture
def tree() -> Conditioning:
    """As SDXL's: tokens, a pooled embedding, and integers."""
    pooled, sizes = torch.randn(3, 5), torch.arange(18).reshape(3, 6)
    return Conditioning(torch.randn(3, 4, 2), {"text_embeds": pooled, "time_ids": sizes})


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_on_the_tree_is_the_operation_on_each_leaf(name: str, tree: Conditioning) -> None:
    on_tree, on_leaf = OPERATIONS[name]
    done = on_tree(tree)
    assert torch.equal(done.tokens, on_leaf(tree.tokens))
    assert done.further.keys() == tree.further.keys()
    for key, leaf in tree.further.items():
        assert torch.equal(done.further[key], on_leaf(leaf))
    assert len(done) == len(done.tokens)


def test_some_of_a_batch_are_some_of_each_of_its_tensors(tree: Conditioning) -> None:
    batch = Batch(torch.randn(3, 1, 2, 2), tree, torch.randn(3, 1, 2, 2), torch.tensor([1, 5, 9]))
    for rows in (ROWS, slice(1, 3)):
        part = batch[rows]
        assert torch.equal(part.latents, batch.latents[rows])
        assert torch.equal(part.noise, batch.noise[rows])
        assert torch.equal(part.times, batch.times[rows])
        assert torch.equal(part.conditioning.further["time_ids"], tree.further["time_ids"][rows])
        assert len(part) == len(part.times)


def test_a_draws_loss_does_not_depend_on_the_batch_it_is_in(tiny_world: Workspace) -> None:
    model, draws = tiny_world.model, stratified_draws(tiny_world.model, 6, 0, "batch")
    pictures = [
        draws.of(
            training_latents(tiny_world, [row]),
            model.encode_captions([tiny_world.training_set.captions[row]]),
        )
        for row in (3, 8)
    ]
    captions = Conditioning.concatenated([picture.conditioning for picture in pictures])
    together = Batch(
        torch.cat([picture.latents for picture in pictures]),
        captions,
        torch.cat([picture.noise for picture in pictures]),
        torch.cat([picture.times for picture in pictures]),
    )
    mixed = together[torch.randperm(len(together), generator=torch.Generator().manual_seed(0))]
    losses, factors = model.loss_and_factors(model.weights, mixed)
    for k in range(len(mixed)):
        alone = mixed[k : k + 1]
        torch.testing.assert_close(draw_losses(model, model.weights, alone).float(), losses[k : k + 1])
        _, own = model.loss_and_factors(model.weights, alone)
        for name, factor in factors.items():
            found = factor.per_draw()[k]
            torch.testing.assert_close(own[name].per_draw()[0], found, rtol=1e-3, atol=1e-7)
