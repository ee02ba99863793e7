"""Laws of the noise: it belongs to the example."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from attribution.rng import gaussian, generator


def test_noise_is_a_pure_function_of_seed_purpose_example_and_draw() -> None:
    """Law: Noise is a pure function of seed, purpose, example and draw."""
    first = gaussian(3, "losses", "scene-7", 5, (4, 8, 8))
    gaussian(3, "losses", "scene-8", 5, (4, 8, 8))  # what else is drawn does not matter
    assert torch.equal(first, gaussian(3, "losses", "scene-7", 5, (4, 8, 8)))


@pytest.mark.parametrize(
    "other", [(4, "losses", "a", 0), (3, "fisher", "a", 0), (3, "losses", "b", 0), (3, "losses", "a", 1)]
)
def test_noise_differs_in_every_part_of_its_key(other: tuple[int, str, str, int]) -> None:
    assert not torch.equal(gaussian(3, "losses", "a", 0, (16,)), gaussian(*other, (16,)))


def test_noise_is_the_same_in_another_process() -> None:
    """Law: Noise is the same in another process.

    A hash that Python salts by process would pass every other test here.
    """
    code = "from attribution.rng import gaussian; print(gaussian(1, 'p', 'x', 2, (3,)).tolist())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == str(gaussian(1, "p", "x", 2, (3,)).tolist())


def test_keys_that_join_to_the_same_text_are_kept_apart() -> None:
    assert generator(1, "a", "b", "c").random() != generator(1, "a", "bc").random()


def test_noise_is_standard_normal() -> None:
    values = gaussian(0, "losses", "x", 0, (200_000,))
    assert abs(values.mean().item()) < 0.01
    assert abs(values.std().item() - 1) < 0.01


def test_noise_is_what_a_generator_of_its_own_draws() -> None:
    def drawn(draw: int, shape: tuple[int, ...]) -> np.ndarray:
        return generator(3, "losses", "a", draw).standard_normal(shape, np.float32)

    keys = [(draw, shape) for draw in range(30) for shape in ((1,), (7,), (4, 8, 8))]
    expected = [drawn(*key) for key in keys]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda key: gaussian(3, "losses", "a", *key).numpy(), keys))
    assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))
