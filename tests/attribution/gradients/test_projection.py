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
