"""Laws of the lists through which the nearest of many vectors are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from attribution.errors import CorruptArtifactError
from attribution.rng import generator
from attribution.workspace.inverted_lists import FILE, QUERIES, SEED, lists_for, write_lists
from attribution.workspace.store import Store
from attribution.workspace.vector_index import Neighbours, decoded, read_index, vectors_in, write_index
from attribution.workspace.writer import Chunk, Plan, Writer

ROWS, WIDTH = 4000, 24
IDS = [f"{(row * 7) % ROWS:04d}" for row in range(ROWS)]
NAME = "embeddings-test"
Change = Callable[[dict[str, np.ndarray], dict[str, Any]], object]


def gathered(count: int, seed: int) -> np.ndarray:
    """Vectors around 150 directions, as pictures of some kinds are."""
    kinds = np.random.default_rng(0).normal(size=(150, WIDTH))
    rng = np.random.default_rng(seed)
    vectors = kinds[rng.integers(len(kinds), size=count)] + 0.5 * rng.normal(size=(count, WIDTH))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@dataclass(frozen=True)
class Both:
    """One set of vectors, searched through lists and without."""

    listed: Neighbours
    whole: Neighbours


def published(root: Path, vectors: np.ndarray, change: Change | None = None) -> Neighbours:
    """Lists of some vectors as a job publishes them; `change` is made before."""

    def assemble(chunks: Iterator[Chunk], folder: Path) -> Mapping[str, Any]:
        flat = decoded(write_index([vectors], folder / f"{NAME}.faiss"))
        measured = dict(write_lists(vectors_in(flat), folder))
        if change is not None:
            arrays = load((folder / FILE).read_bytes())
            change(arrays, measured)
            (folder / FILE).write_bytes(save(arrays))
        return measured

    with Writer(root, Plan(NAME, {}, {}, {}, 1)) as writer:
        for chunk in writer.missing():
            writer.add(chunk, {"none": np.zeros(1)})
        writer.publish(assemble)
    return read_index(Store(root).open(NAME, {}), IDS[: len(vectors)])


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    root, vectors = tmp_path_factory.mktemp("lists"), gathered(ROWS, 1)
    whole = Neighbours(decoded(write_index([vectors], root / "whole.faiss")), IDS)
    return Both(published(root, vectors), whole)


def test_what_is_found_has_the_scores_and_the_order_of_an_exact_search(both: Both) -> None:
    """Law: An approximate index changes which images are looked at, and no score and no order of them."""
    for query in gathered(20, 2):
        found, exact = both.listed.found(query, 50), both.whole.search(query, ROWS)
        held = np.isin(exact, both.listed.lists.promising(query, 50))  # type: ignore[union-attr]
        assert found.tolist() == exact[held][:50].tolist()
        assert both.listed.scores(query, found).tolist() == both.whole.scores(query, found).tolist()


def test_a_part_of_the_images_is_looked_at_and_nearly_all_of_the_nearest_are_found(both: Both) -> None:
    """Law: At least 95% of the true first 20 are found for queries that were in no list."""
    queries, lists = gathered(100, 3), both.listed.lists
    assert lists is not None
    shares = [np.isin(both.whole.search(q, 20), both.listed.found(q, 20)).mean() for q in queries]
    assert np.mean(shares) >= 0.95
    assert np.mean([len(lists.promising(query, 20)) for query in queries]) < ROWS / 2


def test_the_recall_that_is_kept_is_what_searches_find(both: Both) -> None:
    """Law: The recall that an index is said to have is what searches by rows held out of it find."""
    lists = both.listed.lists
    assert lists is not None
    _, measuring = np.array_split(
        generator(SEED, "inverted lists").permutation(ROWS)[: min(2 * QUERIES, ROWS // 4)], 2
    )
    assert lists.recall.queries == len(measuring)
    for count, told in ((20, lists.recall.first), (ROWS // 100, lists.recall.found)):
        shares = []
        for row in measuring:
            query = both.whole.vector(int(row))
            exact = both.whole.search(query, count + 1)
            near = lists.promising(query, 1)
            shares.append(np.isin(exact[exact != row][:count], near).mean())
        assert np.mean(shares) == pytest.approx(told)


def test_as_many_are_found_as_are_asked_for(both: Both) -> None:
    query = gathered(1, 4)[0]
    for count in (1, 999, ROWS):
        assert len(both.listed.found(query, count)) == count
    assert both.listed.found(query, ROWS).tolist() == both.whole.search(query, ROWS).tolist()


def test_a_vector_is_the_same_decoded_alone_and_with_all_others(both: Both) -> None:
    rows = np.array([3, 3999, 17])
    assert both.listed.vectors_of(rows).tolist() == both.whole.vectors[rows].tolist()
    assert both.listed.vectors.tobytes() == both.whole.vectors.tobytes()


def test_equal_pictures_are_ranked_by_id(tmp_path: Path) -> None:
    vectors = np.repeat(gathered(40, 5), 8, axis=0)
    neighbours = published(tmp_path, vectors)
    found = neighbours.found(vectors[16], 8)
    assert found.tolist() == sorted(range(16, 24), key=IDS.__getitem__)


def test_lists_are_the_same_bytes_whenever_they_are_made(both: Both, tmp_path: Path) -> None:
    """Law: The lists of the same vectors are the same bytes."""
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        write_lists(both.whole.vectors, folder)
    assert (one / FILE).read_bytes() == (other / FILE).read_bytes()


def test_vectors_without_order_get_no_lists_and_every_one_is_looked_at(tmp_path: Path) -> None:
    """Law: Where lists would not spare most of the looking there are none, and search is exact."""
    vectors = np.random.default_rng(7).normal(size=(1000, WIDTH)).astype(np.float32)
    neighbours = published(tmp_path, vectors)
    assert neighbours.lists is None
    assert neighbours.found(vectors[3], 20).tolist() == neighbours.search(vectors[3], 20).tolist()


def test_there_are_about_as_many_lists_as_rows_in_one() -> None:
    assert [lists_for(rows) for rows in (1, 22, 4000, 1_000_000)] == [1, 4, 64, 1024]


CHANGES: dict[str, tuple[Change, str]] = {
    "a row twice": (
        lambda arrays, _: arrays["rows"].__setitem__(0, arrays["rows"][1]),
        "each training image",
    ),
    "an end beyond": (lambda arrays, _: arrays["ends"].__setitem__(-1, 10**9), "end before they begin"),
    "ends that fall": (lambda arrays, _: arrays["ends"].__setitem__(0, 10**9), "end before they begin"),
    "centroids of whole numbers": (
        lambda arrays, _: arrays.update(centroids=arrays["centroids"].astype(np.int64)),
        "other numbers than lists have",
    ),
    "an end less": (lambda arrays, _: arrays.update(ends=arrays["ends"][1:]), "other numbers than lists"),
    "no rows": (lambda arrays, _: arrays.pop("rows"), "lacks 'rows'"),
    "more lists to look at": (lambda _, measured: measured.update(probed=10**6), "looks at 1000000 of"),
    "more lists than there are": (lambda _, measured: measured.update(lists=10**6), "of 1000000 lists"),
    "a recall beyond one": (lambda _, measured: measured.update(first=1.5), "of its measured"),
    "no recall": (lambda _, measured: measured.clear(), "of its measured"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_lists_that_cannot_be_are_refused(case: str, tmp_path: Path) -> None:
    change, words = CHANGES[case]
    with pytest.raises(CorruptArtifactError, match=words):
        published(tmp_path, gathered(ROWS, 1), change)
