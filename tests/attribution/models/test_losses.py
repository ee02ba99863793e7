"""Laws of the per-example losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attribution.errors import NonFiniteError
from attribution.models.draws import Probe
from attribution.models.losses import example_losses
from attribution.workspace.baseline import LOSSES, training_latents
from attribution.workspace.workspace import Workspace

ROUNDING = 2e-5  # float32 sums in another order


def losses_of(workspace: Workspace, rows: list[int], batch_size: int) -> np.ndarray:
    training_set = workspace.training_set
    return example_losses(
        workspace.model,
        workspace.model.weights,
        training_latents(workspace, rows),
        workspace.model.encode_captions([training_set.captions[row] for row in rows]),
        [training_set.ids[row] for row in rows],
        workspace.probe,
        batch_size,
    )


def test_losses_do_not_depend_on_batch_size(tiny_world: Workspace) -> None:
    """Law: Losses do not depend on the batch size."""
    rows = list(range(5))
    reference = losses_of(tiny_world, rows, 64)
    for batch_size in (1, 7, 33):
        np.testing.assert_allclose(losses_of(tiny_world, rows, batch_size), reference, rtol=ROUNDING)


def test_losses_do_not_depend_on_order_or_subset(tiny_world: Workspace) -> None:
    """Law: Losses do not depend on the order of the examples, nor on which others are measured."""
    rows = [0, 1, 2, 3, 4, 5]
    reference = losses_of(tiny_world, rows, 16)
    np.testing.assert_allclose(losses_of(tiny_world, rows[::-1], 16)[::-1], reference, rtol=ROUNDING)
    np.testing.assert_allclose(losses_of(tiny_world, [4, 1], 16), reference[[4, 1]], rtol=ROUNDING)


def test_stored_losses_are_those_that_a_query_would_measure(tiny_world: Workspace) -> None:
    rows = [2, 11, 40]
    stored = tiny_world.load(LOSSES)[rows][..., : tiny_world.probe.noises]
    np.testing.assert_allclose(losses_of(tiny_world, rows, 8), stored, rtol=ROUNDING)


def test_latents_are_scaled_alike_for_query_and_training_image(tiny_world: Workspace) -> None:
    """Law: The latents of a query and of a training image are scaled alike.

    A training image asked about is exactly its own stored latent.
    """
    image = tiny_world.training_set.image(3)
    latent = tiny_world.model.encode_images([image])
    np.testing.assert_allclose(latent.numpy()[0], training_latents(tiny_world, [3]).numpy()[0], atol=1e-5)


def test_losses_that_are_not_finite_are_an_error_that_names_the_examples(tiny_world: Workspace) -> None:
    """Law: Losses that are not finite are an error that names the examples."""
    model = tiny_world.model
    broken = {name: torch.full_like(weight, float("nan")) for name, weight in model.weights.items()}
    latents = training_latents(tiny_world, [0, 1])
    captions = model.encode_captions(["a dog on snow", "a cat on snow"])
    with pytest.raises(NonFiniteError, match="first-image"):
        example_losses(model, broken, latents, captions, ["first-image", "second"], Probe((500,), 1))
