"""Laws of nearest neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import faiss
import numpy as np
import pytest

from attribution.errors import CorruptArtifactError
from attribution.workspace.store import Artifact, Store
from attribution.workspace.vector_index import Neighbours, read_index, write_index
from attribution.workspace.writer import Chunk, Plan, Writer

PLAN = Plan("embeddings-test", {"test": "x"}, {}, {}, 1)


def unit(count: int, width: int = 6, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def published(tmp_path: Path, data: bytes) -> Artifact:
    def assemble(chunks: Iterator[Chunk], folder: Path) -> None:
        (folder / "embeddings-test.faiss").write_bytes(data)

    with Writer(tmp_path, PLAN) as writer:
        for chunk in writer.missing():
            writer.add(chunk, {"none": np.zeros(1)})
        writer.publish(assemble)
    return Store(tmp_path).open(PLAN.name, PLAN.fingerprints)


def index_of(tmp_path: Path, vectors: np.ndarray, ids: list[str] | None = None) -> Neighbours:
    path = tmp_path / "raw.faiss"
    write_index(iter(np.array_split(vectors, 3)), path)
    return read_index(
        published(tmp_path, path.read_bytes()), ids or [f"{i:04d}" for i in range(len(vectors))]
    )


def test_search_equals_sorting_every_cosine(tmp_path: Path) -> None:
    """Law: Neighbours are what sorting every cosine gives."""
    vectors, query = unit(200), unit(1, seed=1)[0]
    neighbours = index_of(tmp_path, vectors)
    order = np.argsort(-(neighbours.vectors.astype(float) @ query.astype(float)))
    for count in (1, 7, 200, 500):
        assert neighbours.search(query, count).tolist() == order[:count].tolist()


def test_a_score_is_the_cosine(tmp_path: Path) -> None:
    vectors, query = unit(50), unit(1, seed=1)[0]
    neighbours = index_of(tmp_path, vectors)
    scores = neighbours.scores(query, np.arange(50))
    np.testing.assert_allclose(scores, neighbours.vectors.astype(float) @ query, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(neighbours.vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(scores, vectors @ query, atol=8e-3)  # what eight bits cost


def test_a_score_is_the_same_to_the_last_bit_in_any_subset(tmp_path: Path) -> None:
    neighbours, query = index_of(tmp_path, unit(61, 50)), unit(1, 50, seed=1)[0]
    whole = neighbours.scores(query, np.arange(61))
    for rows in ([60], [3, 1, 2], list(range(7, 61, 3))):
        assert neighbours.scores(query, np.array(rows)).tolist() == whole[rows].tolist()


def test_ties_are_broken_by_id_also_at_the_edge(tmp_path: Path) -> None:
    vectors = np.repeat(unit(2), 60, axis=0)
    ids = [f"{(i * 37) % 120:03d}" for i in range(120)]
    neighbours = index_of(tmp_path, vectors, ids)
    near = sorted(range(60), key=ids.__getitem__)
    far = sorted(range(60, 120), key=ids.__getitem__)
    assert neighbours.search(vectors[0], 5).tolist() == near[:5]
    assert neighbours.search(vectors[0], 63).tolist() == near + far[:3]


def test_an_index_is_the_same_bytes_in_whatever_parts_it_came(tmp_path: Path) -> None:
    vectors = unit(20)
    for number, parts in enumerate((1, 2, 7)):
        write_index(iter(np.array_split(vectors, parts)), tmp_path / f"{number}")
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_bytes_that_were_not_published_never_reach_faiss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index_of(tmp_path, unit(20))
    path = tmp_path / PLAN.name / "embeddings-test.faiss"
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    monkeypatch.setattr(faiss, "deserialize_index", lambda data: pytest.fail("FAISS saw hostile bytes"))
    with pytest.raises(CorruptArtifactError, match="its manifest says"):
        read_index(Store(tmp_path).open(PLAN.name, {}), ["x"] * 20)


def test_an_index_over_other_examples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptArtifactError, match="20 vectors for 3 images"):
        index_of(tmp_path, unit(20), ["a", "b", "c"])


def test_an_index_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = faiss.IndexFlatL2(4)
    other.add(unit(5, 4))
    with pytest.raises(CorruptArtifactError, match="it is no scalar quantizer"):
        read_index(published(tmp_path, faiss.serialize_index(other).tobytes()), ["x"] * 5)
