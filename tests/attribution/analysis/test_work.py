"""Laws of looking for somebody's work in the training set."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from attribution.analysis.work import EXACT, check_work, nearest_others
from attribution.workspace.embeddings import embedding
from attribution.workspace.workspace import Workspace

SPACES = ("clip", "dino", "pixel")
ROW = 21


def saved_again(image: Image.Image) -> Image.Image:
    out = io.BytesIO()
    image.save(out, format="JPEG", quality=97, subsampling=0)
    return Image.open(out).convert("RGB")


def test_a_training_image_is_found_as_it_is_and_by_its_row(tiny_world: Workspace) -> None:
    """Law: A work that is in the training set is found, saved again, larger or mirrored, by its row."""
    work = tiny_world.training_set.image(ROW)
    for brought in (work, saved_again(work), work.resize((256, 256), Image.Resampling.LANCZOS)):
        found = check_work(tiny_world, brought, SPACES)
        copies = (*found.exact, *found.near)
        assert copies[0].row == ROW
        assert not copies[0].mirrored
    assert check_work(tiny_world, work, SPACES).exact[0].apart == 0
    mirrored = check_work(tiny_world, ImageOps.mirror(work), SPACES).exact[0]
    assert (mirrored.row, mirrored.mirrored) == (ROW, True)
    assert mirrored.apart < EXACT


def test_what_has_nothing_to_do_with_it_is_no_copy(tiny_world: Workspace) -> None:
    """Law: A picture that has nothing to do with the training set is never called a copy of an image."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    for work in (Image.fromarray(noise), Image.new("RGB", (300, 200), "teal")):
        found = check_work(tiny_world, work, SPACES)
        assert found.exact == found.near == ()
        assert all(len(space.nearest) >= 24 for space in found.spaces)
    assert not any(space.unusual for space in check_work(tiny_world, Image.fromarray(noise), SPACES).spaces)


@pytest.mark.parametrize("encoder", SPACES)
def test_the_nearest_others_are_what_comparing_all_pairs_finds(tiny_world: Workspace, encoder: str) -> None:
    vectors = tiny_world.load(embedding(encoder)).neighbours.vectors.astype(np.float64)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    assert nearest_others(tiny_world, encoder) == pytest.approx(np.sort(cosines.max(axis=1)), abs=1e-6)


def test_how_usual_a_nearness_is_is_counted_among_training_images(tiny_world: Workspace) -> None:
    for row in (3, 8):
        for space in check_work(tiny_world, tiny_world.training_set.image(row), SPACES).spaces:
            best = space.nearest[0].cosine
            assert space.as_near == (1 + np.count_nonzero(space.others >= best - 1e-9)) / (
                1 + len(space.others)
            )
