"""Laws of encoders with a head, from pairs of pictures to an answer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from attribution.encoders import tuning
from attribution.encoders.base import encoder_reader
from attribution.encoders.tuned import DESCRIPTION, WEIGHTS, Head, TunedEncoder
from attribution.engine import attribute
from attribution.errors import ModelError, UnknownNameError
from attribution.gradients.query_context import QueryContext
from attribution.methods.base import available, method
from attribution.query import Candidates, Settings
from attribution.results import Attribution
from attribution.workspace.workspace import Workspace
from precompute.__main__ import main
from tests.worlds import TINY
from tests.worlds.queries import query_of

CONCEPTS = 4


def write_pairs(folder: Path) -> Path:
    """Squares of one colour a concept, in a corner that changes; the tiny world's scenes beside them."""
    folder.mkdir()
    rng, rows = np.random.default_rng(0), list[dict[str, str]]()
    for concept in range(CONCEPTS):
        for number in range(6):
            pixels = rng.integers(0, 255, (64, 64, 3), np.uint8)
            corner = 32 * (number % 2)
            pixels[corner : corner + 32, corner : corner + 32] = np.eye(4, 3)[concept] * 255
            name = f"{concept}-{number}.png"
            Image.fromarray(pixels).save(folder / name)
            rows.append(
                {"file_name": name, "role": "exemplar" if number < 2 else "made", "concept": str(concept)}
            )
    for path in sorted((TINY / "scenes").rglob("*.png"))[:20]:
        shutil.copyfile(path, folder / path.name)
        rows.append({"file_name": path.name, "role": "other"})
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tiny world with a head on each encoder, and the embeddings of both."""
    root = tmp_path_factory.mktemp("tuned") / "tiny"
    shutil.copytree(TINY, root)
    pairs, flags = write_pairs(root.parent / "pairs"), list[str]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "STEPS", 5)
        for name in ("clip", "dino"):
            out = root / "encoders" / f"{name}-tuned"
            where = [
                "--checkpoint",
                str(root / "encoders" / name),
                "--pairs",
                str(pairs),
                "--out",
                str(out),
            ]
            assert main(["heads", name, *where]) == 0
            flags += [f"--{name}-tuned", str(out)]
    assert main(["embeddings", *flags, "--workspace", str(root / "workspace")]) == 0
    return root


@pytest.fixture
def workspace(world: Path) -> Workspace:
    return Workspace.open(world / "workspace")


def head_of(world: Path, tmp_path: Path, **changed: Any) -> Path:
    """A copy of CLIP's head that says something else."""
    folder = tmp_path / "clip-tuned"
    shutil.copytree(world / "encoders" / "clip-tuned", folder)
    said = json.loads((folder / DESCRIPTION).read_text())
    said |= {"checkpoint": str(world / "encoders" / "clip"), **changed}
    (folder / DESCRIPTION).write_text(json.dumps(said))
    return folder


@pytest.mark.parametrize("name", ["clip-tuned", "dino-tuned"])
def test_scores_are_shares_of_the_whole_training_set(workspace: Workspace, name: str) -> None:
    """Law: A tuned method's scores are shares: 1 over all images, and the same in whatever subset."""
    assert available(method(name), workspace)
    query, whole = query_of(workspace), Settings(effort="instant")
    *_, all_of_them = attribute(workspace, query, (name,), whole)
    assert isinstance(all_of_them, Attribution)
    ranking = all_of_them.rankings[name]
    assert ranking.scores.sum() == pytest.approx(1)
    assert (ranking.scores > 0).all()
    few = Candidates(np.sort(ranking.rows[:5]), "five")
    *_, some = method(name).score(QueryContext(workspace, query, whole), few)
    known = dict(zip(ranking.rows, ranking.scores, strict=True))
    np.testing.assert_array_equal(some.values, [known[row] for row in some.rows])  # type: ignore[union-attr]


def test_a_picture_is_told_the_same_beside_whatever_others(workspace: Workspace) -> None:
    encoder = workspace.encoder("dino-tuned")
    images = [workspace.training_set.image(row) for row in range(3)]
    np.testing.assert_array_equal(encoder.images(images)[1:2], encoder.images(images[1:2]))
    np.testing.assert_allclose(np.linalg.norm(encoder.images(images), axis=1), 1, rtol=1e-6)
    with pytest.raises(UnknownNameError):
        encoder.captions(["a cat"])


def test_a_head_that_changes_nothing_is_its_encoder(tiny_world: Workspace) -> None:
    clip = tiny_world.encoder("clip")
    images = [tiny_world.training_set.image(row) for row in range(3)]
    vectors = clip.images(images)
    plain = TunedEncoder(clip, Head(torch.zeros(vectors.shape[1]), torch.eye(vectors.shape[1])), 0.1)
    np.testing.assert_allclose(plain.images(images), vectors, atol=1e-6)
    assert plain.fingerprint != clip.fingerprint


def test_whatever_a_head_says_is_in_its_fingerprint(
    world: Path, tmp_path: Path, workspace: Workspace
) -> None:
    """Law: A head's fingerprint changes with its encoder, its weights and its temperature."""
    other = encoder_reader("clip-tuned").open(str(head_of(world, tmp_path, temperature=0.5)), "cpu")
    assert other.fingerprint != workspace.encoder("clip-tuned").fingerprint


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"fingerprint": "0" * 32}, "another CLIP"),
        ({"encoder": "dino"}, "--dino-tuned"),
        ({"temperature": 0.0}, "cannot open"),
        ({"unknown": 1}, "cannot open"),
    ],
)
def test_a_head_for_another_encoder_is_refused(
    world: Path, tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    """Law: A head is refused, by name, on any encoder but the one that it was tuned for."""
    with pytest.raises(ModelError, match=said):
        encoder_reader("clip-tuned").open(str(head_of(world, tmp_path, **changed)), "cpu")


def test_damaged_weights_are_refused(world: Path, tmp_path: Path) -> None:
    folder = head_of(world, tmp_path)
    save_file({"mean": torch.zeros(3), "matrix": torch.eye(4)}, folder / WEIGHTS)
    with pytest.raises(ModelError, match="do not fit"):
        encoder_reader("clip-tuned").open(str(folder), "cpu")
    (folder / WEIGHTS).write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot open"):
        encoder_reader("clip-tuned").open(str(folder), "cpu")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"file_name": "a.png", "role": "friend"}', "line 1: give `file_name`"),
        ('{"file_name": "a.png", "role": "made"}', "of which `concept`"),
        ('{"file_name": "a.png", "role": "made", "concept": "owl"}', "fewer than 3 concepts"),
        ("{", "cannot be read"),
    ],
)
def test_pairs_that_teach_nothing_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    (tmp_path / "metadata.jsonl").write_text(line)
    where = ["--checkpoint", str(TINY / "encoders" / "clip"), "--pairs", str(tmp_path)]
    assert main(["heads", "clip", *where, "--out", str(tmp_path / "head")]) == 2
    told = capsys.readouterr().err.strip()
    assert said in told
    assert "\n" not in told
    assert not (tmp_path / "head").exists()
