"""Laws of the random projection of gradients."""

from __future__ import annotations

import numpy as np
import torch

from attribution.gradients.projection import Sketch


def test_a_sketch_keeps_inner_products_on_average() -> None:
    """Law: A sketch keeps inner products on average."""
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(1, 8, 16, generator=rng), torch.randn(1, 8, 16, generator=rng)
    exact = float((x * y).sum()) / 128
    products = []
    for seed in range(600):
        sketch = Sketch(32, seed, {"a": (8, 16)})
        products.append(float((sketch({"a": x}) * sketch({"a": y})).sum()))
    spread = np.std(products)
    assert abs(np.mean(products) - exact) < 4 * spread / np.sqrt(600)
    bound = np.sqrt((float(x.square().sum() * y.square().sum()) / 128**2 + exact**2) / 32)
    assert 0.5 * bound < spread < 1.1 * bound


def test_a_sketch_of_millions_of_weights_keeps_the_inner_product_of_two_like_vectors() -> None:
    """Law: A sketch's error is that of its dimensions, however many weights there are."""
    shapes = {"conv": (64, 32, 3, 3), "bias": (640,), "linear": (1000, 1000)}
    rng = torch.Generator().manual_seed(0)
    x = {name: torch.randn(1, *shape, generator=rng) for name, shape in shapes.items()}
    y = {name: x[name] + torch.randn(1, *shape, generator=rng) for name, shape in shapes.items()}
    exact, of_x, of_y = (
        sum(float((a[name] * b[name]).double().sum()) for name in shapes)
        for a, b in ((x, y), (x, x), (y, y))
    )
    errors = []
    for seed in range(12):
        sketch = Sketch(512, seed, shapes)
        errors.append(float((sketch(x) * sketch(y)).double().sum()) * sketch.weights - exact)
    deviation = np.sqrt((of_x * of_y + exact**2) / 512)
    assert np.sqrt(np.mean(np.square(errors))) < 1.6 * deviation
    assert abs(np.mean(errors)) < 4 * deviation / np.sqrt(12)


def test_a_sketch_of_a_weight_does_not_depend_on_other_weights() -> None:
    """Law: Where a weight is added depends on the seed, its layer's name and its place in it alone."""
    x = torch.randn(1, 6, 2, generator=torch.Generator().manual_seed(0))
    alone, beside = Sketch(32, 4, {"a": (6, 2)}), Sketch(32, 4, {"b": (3,), "a": (6, 2)})
    among = beside({"a": x, "b": torch.zeros(1, 3)}) * np.sqrt(beside.weights)
    torch.testing.assert_close(among, alone({"a": x}) * np.sqrt(alone.weights))
    flat = Sketch(32, 4, {"a": (12,)})
    torch.testing.assert_close(flat({"a": x.flatten(1)}), alone({"a": x}))
