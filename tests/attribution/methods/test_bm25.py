"""Laws of BM25, against its formula written out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from attribution.data import caption_words
from attribution.data.caption_words import CaptionWords
from attribution.data.training_set import TrainingSet
from attribution.data.words import words
from attribution.engine import attribute
from attribution.errors import SettingsError
from attribution.methods.bm25 import BM25Options, bm25_scores
from attribution.query import Query, Settings
from attribution.results import Attribution
from attribution.workspace.workspace import Workspace

CAPTIONS = (
    "a cat and a dog", "a dog, a dog, a dog on a road", "", "two boats", "a red boat on the sea", "!?",
    "一只红猫", "un café au lait", "a", "the sea, the sea",
)  # fmt: skip


def scores_of(query: str, captions: Sequence[str], options: BM25Options | None = None) -> np.ndarray:
    return bm25_scores(CaptionWords.of(captions), words(query), options or BM25Options())


def plain_bm25(query: str, captions: Sequence[str], k1: float, b: float) -> list[float]:
    """Okapi BM25 word by word (Robertson & Zaragoza 2009), no word counting against a caption."""
    said = [words(caption) for caption in captions]
    mean_length = sum(map(len, said)) / len(said)
    scores = []
    for caption in said:
        score = 0.0
        for word in words(query):
            having = sum(word in other for other in said)
            idf = max(0.0, math.log((len(said) - having + 0.5) / (having + 0.5)))
            count = caption.count(word)
            if count:
                score += idf * count / (k1 * ((1 - b) + b * len(caption) / mean_length) + count)
        scores.append(score)
    return scores


@pytest.mark.parametrize(("k1", "b"), [(1.2, 0.75), (0.0, 0.0), (2.0, 1.0), (0.5, 0.3)])
@pytest.mark.parametrize("query", ["a dog on the sea", "DOG dog boat", "红猫 café", "zebra", "...", "a"])
def test_scores_are_those_of_the_formula(query: str, k1: float, b: float) -> None:
    """Law: BM25's scores are those of the published formula, in any script."""
    scores = scores_of(query, CAPTIONS, BM25Options(k1, b))
    np.testing.assert_allclose(scores, plain_bm25(query, CAPTIONS, k1, b), rtol=1e-5, atol=1e-7)


def test_the_worlds_captions_are_ranked_as_by_the_formula(tiny_world: Workspace) -> None:
    captions = tiny_world.training_set.captions
    query = Query(Image.new("RGB", (9, 9)), captions[7])
    *_, answer = attribute(tiny_world, query, ["bm25"], Settings())
    assert isinstance(answer, Attribution)
    ranking = answer.rankings["bm25"]
    slow = np.array(plain_bm25(query.caption, captions, 1.2, 0.75))
    np.testing.assert_allclose(ranking.scores, slow[ranking.rows], rtol=1e-5)
    assert captions[ranking.rows[0]] == captions[7]


def test_captions_without_words_have_no_score() -> None:
    assert scores_of("a cat", ["", "..."]).tolist() == [0, 0]


def test_the_captions_are_read_once(tiny_world: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law: The captions are read once for all questions, whatever their options."""
    whole = tiny_world.training_set
    training_set = TrainingSet(whole.folder, whole.examples, whole.metadata_sha256)
    workspace = Workspace(tiny_world.folder, tiny_world.config, "cpu", tiny_world.model, {}, training_set)
    read = list[str]()
    monkeypatch.setattr(caption_words, "words", lambda caption: read.append(caption) or words(caption))
    query = Query(Image.new("RGB", (9, 9)), "a cat on a table")
    for b in (0.1, 0.2):
        list(attribute(workspace, query, ["bm25"], Settings(options={"bm25": BM25Options(b=b)})))
    assert tuple(read) == training_set.captions


def test_many_may_ask_at_once() -> None:
    """Law: BM25 answers many at once as it answers one."""
    said = CaptionWords.of(CAPTIONS * 50)
    queries = ["a dog", "boat on the sea", "红猫 a dog", "café"] * 50

    def asked(query: str) -> np.ndarray:
        return bm25_scores(said, words(query), BM25Options())

    alone = [asked(query) for query in queries]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(asked, queries))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


@pytest.mark.parametrize("wrong", [{"k1": -1.0}, {"k1": math.inf}, {"b": 1.5}, {"b": math.nan}])
def test_options_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        BM25Options(**wrong)
