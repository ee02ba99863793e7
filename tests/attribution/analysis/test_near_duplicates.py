"""Laws of the training images most like one of them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from attribution.analysis.near_duplicates import NEARLY, most_alike
from attribution.errors import MissingArtifactError
from attribution.workspace.embeddings import embedding
from attribution.workspace.workspace import Workspace
from tests.conftest import Foreign


@pytest.mark.parametrize("encoder", ["clip", "dino", "pixel"])
def test_the_most_alike_are_what_sorting_every_cosine_gives(tiny_world: Workspace, encoder: str) -> None:
    row = 5
    vectors = tiny_world.load(embedding(encoder)).neighbours.vectors.astype(np.float64)
    cosines = vectors @ vectors[row]
    cosines[row] = -np.inf
    found = most_alike(tiny_world, embedding(encoder), row, 6)
    assert [one.row for one in found] == np.argsort(-cosines, kind="stable")[:6].tolist()
    assert [one.cosine for one in found] == pytest.approx(np.sort(cosines)[::-1][:6].tolist(), abs=1e-6)


def test_an_image_is_not_among_those_like_it_and_there_are_as_many_as_there_can_be(
    tiny_world: Workspace,
) -> None:
    total = len(tiny_world.training_set)
    found = most_alike(tiny_world, embedding("pixel"), 0, 10 * total)
    assert len(found) == total - 1
    assert 0 not in {one.row for one in found}


def test_a_near_duplicate_is_one_whose_pixels_hardly_differ(foreign_copy: Foreign) -> None:
    workspace = Workspace.open(foreign_copy.workspace)
    training_set = workspace.training_set
    first = training_set.image(0)
    others = most_alike(workspace, embedding("pixel"), 0, 3)
    assert all(one.near_duplicate == (one.apart < NEARLY) for one in others)
    # Whatever the embedding says: what counts is the picture itself.
    touched = Image.fromarray(
        np.clip(np.asarray(first.convert("RGB")).astype(int) + 3, 0, 255).astype("uint8")
    )
    same = {0: first, others[0].row: touched}

    class Doubled:
        def __getattr__(self, name: str) -> object:
            return getattr(training_set, name)

        def image(self, row: int) -> Image.Image:
            return same.get(row) or training_set.image(row)

    workspace.__dict__["training_set"] = Doubled()
    nearest = most_alike(workspace, embedding("pixel"), 0, 3)
    assert nearest[0].near_duplicate
    assert nearest[0].apart <= 3


def test_an_embedding_that_was_not_made_is_a_named_error(foreign_copy: Foreign) -> None:
    workspace = Workspace.open(foreign_copy.workspace)
    for path in (foreign_copy.workspace / "embeddings-dino").iterdir():
        path.unlink()
    (foreign_copy.workspace / "embeddings-dino").rmdir()
    with pytest.raises(MissingArtifactError, match="embeddings"):
        most_alike(workspace, embedding("dino"), 0, 3)
