"""Laws of the encoders and of the methods that rank by likeness."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPModel, CLIPTokenizer, Dinov2Model

from attribution.encoders.base import encoder_reader, encoder_readers
from attribution.encoders.dino import read_out
from attribution.encoders.whitening import fit_whitening
from attribution.errors import UnknownNameError
from attribution.gradients.query_context import QueryContext
from attribution.methods.base import method
from attribution.query import Box, Candidates, Query, Settings
from attribution.results import Scores
from attribution.workspace.embeddings import embedding
from attribution.workspace.workspace import Workspace
from tests.conftest import Foreign

LIKENESSES = ("clip", "dino", "pixel")


@pytest.fixture(scope="module")
def workspace(foreign_world: Foreign) -> Workspace:
    return Workspace.open(foreign_world.workspace)


def scores(workspace: Workspace, name: str, query: Query, rows: list[int] | None = None) -> np.ndarray:
    chosen = np.arange(len(workspace.training_set)) if rows is None else np.array(rows)
    *_, last = method(name).score(QueryContext(workspace, query, Settings()), Candidates(chosen, ""))
    assert isinstance(last, Scores)
    return last.values


def pictures(workspace: Workspace, rows: range) -> list[Image.Image]:
    return [workspace.prepared(workspace.training_set.image(row)) for row in rows]


def test_encoders_are_known_and_others_are_refused_by_name() -> None:
    assert set(encoder_readers()) == {"clip", "dino", "pixel", "clip-tuned", "dino-tuned"}
    with pytest.raises(
        UnknownNameError, match="'vgg': choose from clip, dino, pixel, clip-tuned, dino-tuned"
    ):
        encoder_reader("vgg")


@pytest.mark.parametrize("name", LIKENESSES)
def test_vectors_have_length_one_and_do_not_depend_on_the_batch(workspace: Workspace, name: str) -> None:
    encoder, images = workspace.encoder(name), pictures(workspace, range(5))
    together = encoder.images(images)
    alone = np.concatenate([encoder.images([image]) for image in images])
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(together, alone, atol=2e-6)


@pytest.mark.parametrize("name", LIKENESSES)
def test_a_picture_is_brought_to_the_encoders_own_size(workspace: Workspace, name: str) -> None:
    encoder = workspace.encoder(name)
    assert encoder.images([Image.new("RGB", (5, 70)), Image.new("RGB", (300, 8))]).shape[0] == 2


def test_clip_vectors_are_those_of_the_library(workspace: Workspace, foreign_world: Foreign) -> None:
    model = CLIPModel.from_pretrained(foreign_world.clip).eval()
    tokenizer = CLIPTokenizer.from_pretrained(foreign_world.clip)
    image = pictures(workspace, range(1))[0].resize((24, 24), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(image)).float().permute(2, 0, 1)[None] / 255
    mean, std = torch.tensor([0.4815, 0.4578, 0.4082]), torch.tensor([0.2686, 0.2613, 0.2758])
    pixels = (pixels - mean[:, None, None]) / std[:, None, None]
    tokens = tokenizer(["a red bar"], return_tensors="pt")
    with torch.no_grad():
        output = model(input_ids=tokens.input_ids, pixel_values=pixels)
    encoder = workspace.encoder("clip")
    np.testing.assert_allclose(encoder.images([image]), output.image_embeds, atol=1e-3)
    np.testing.assert_allclose(encoder.captions(["a red bar"]), output.text_embeds, atol=1e-5)


def test_dino_vectors_are_class_and_pooled_patch_tokens_under_the_checkpoints_own_normalisation(
    workspace: Workspace, foreign_world: Foreign
) -> None:
    model = Dinov2Model.from_pretrained(foreign_world.dino).eval()
    image = pictures(workspace, range(1))[0].resize((21, 21), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(image)).float().permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        tokens = model(pixel_values=(pixels - 0.4) / 0.3).last_hidden_state[0].numpy()
    parts = tokens[0], tokens[1:].max(axis=0), tokens[1:].min(axis=0)
    expected = np.concatenate([part / np.linalg.norm(part) for part in parts])[None] / np.sqrt(3)
    np.testing.assert_allclose(workspace.encoder("dino").images([image]), expected, atol=1e-5)


def test_registers_of_a_dino_are_no_patches() -> None:
    tokens = torch.randn(2, 1 + 4 + 9, 8)
    without = torch.cat([tokens[:, :1], tokens[:, 5:]], dim=1)
    assert torch.equal(read_out(tokens, registers=4), read_out(without))
    assert not torch.equal(read_out(tokens), read_out(without))


def test_an_index_of_whitened_vectors_is_that_of_the_whitening_beside_it(workspace: Workspace) -> None:
    stored = workspace.load(embedding("dino"))
    whitening, index = stored.comparable, stored.neighbours
    vectors = workspace.encoder("dino").images(pictures(workspace, range(22)))
    fitted = fit_whitening(vectors)
    np.testing.assert_allclose(whitening(vectors), fitted(vectors), atol=2e-3)
    assert ((index.vectors * whitening(vectors)).sum(axis=1) > 0.98).all()  # four bits a number


@pytest.mark.parametrize("name", LIKENESSES)
def test_a_training_picture_is_its_own_nearest_neighbour(workspace: Workspace, name: str) -> None:
    training_set = workspace.training_set
    for row in (0, 13, 21):
        values = scores(workspace, name, Query(training_set.image(row), training_set.captions[row]))
        assert values.argmax() == row
        rounding = 2e-2 if encoder_reader(name).whitened else 5e-4  # four bits a number, or eight
        assert values[row] == pytest.approx(1, abs=rounding)
        assert np.abs(values).max() <= 1 + 5e-4


def test_equal_captions_have_equal_text_scores_and_the_highest(workspace: Workspace) -> None:
    training_set = workspace.training_set
    values = scores(workspace, "clip-text", Query(Image.new("RGB", (9, 9)), training_set.captions[4]))
    same = [row for row, caption in enumerate(training_set.captions) if caption == training_set.captions[4]]
    assert len(same) > 1
    np.testing.assert_allclose(values[same], 1, atol=5e-4)
    assert len(set(values[same])) == 1
    assert set(np.argsort(-values)[: len(same)]) == set(same)


@pytest.mark.parametrize("name", LIKENESSES)
def test_a_boxed_query_is_the_crop(workspace: Workspace, name: str) -> None:
    image = workspace.training_set.image(3)
    square = workspace.prepared(image)
    boxed = scores(workspace, name, Query(square, "a", Box(0.25, 0.5, 0.75, 1)))
    crop = workspace.encoder(name).images([square.crop((4, 8, 12, 16))])[0]
    stored = workspace.load(embedding(name))
    crop = stored.comparable(crop[None])[0]
    np.testing.assert_allclose(boxed, stored.neighbours.scores(crop, np.arange(22)), atol=1e-6)
    assert not np.allclose(boxed, scores(workspace, name, Query(square, "a")), atol=1e-3)


@pytest.mark.parametrize("name", [*LIKENESSES, "clip-text", "random"])
def test_scores_do_not_depend_on_which_others_are_scored(workspace: Workspace, name: str) -> None:
    query = Query(workspace.training_set.image(2), "a blue bar")
    whole = scores(workspace, name, query)
    assert scores(workspace, name, query, [17, 4, 9]).tolist() == whole[[17, 4, 9]].tolist()


def test_random_scores_are_a_function_of_seed_and_id_alone(workspace: Workspace) -> None:
    rows = np.arange(22)

    def drawn(seed: int, caption: str) -> list[float]:
        query = Query(Image.new("RGB", (4, 4)), caption)
        *_, last = method("random").score(
            QueryContext(workspace, query, Settings(seed=seed)), Candidates(rows, "")
        )
        assert isinstance(last, Scores)
        return list(last.values)

    assert drawn(0, "one") == drawn(0, "two") != drawn(1, "one")
    assert len(set(drawn(0, "one"))) == 22


def test_a_flat_picture_has_no_likeness_in_pixels(workspace: Workspace) -> None:
    values = scores(workspace, "pixel", Query(Image.new("RGB", (16, 16), "grey"), "a"))
    np.testing.assert_allclose(values, 0, atol=1e-6)
