"""What ranks of exemplars say, and the page that says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from attribution.encoders.tuned import HeadDescription
from attribution.errors import ResultError
from attribution.methods.base import DEFAULT
from attribution.results import Entry
from evaluation.__main__ import main
from evaluation.customised.asking import ranks_of
from evaluation.customised.document import document
from evaluation.customised.measures import (
    Compared,
    among_trained,
    first_rank,
    random_recall,
    recall,
)
from evaluation.customised.records import Answer, Asked, ConceptRecord, read_records
from evaluation.statistics import average_precision
from tests.worlds.rankings import ranking_of


def record(
    concept: str,
    ranks: dict[str, tuple[int, ...]],
    learnt: bool = True,
    kind: str = "object",
    **others: object,
) -> ConceptRecord:
    """Two pictures, of which the second does not show the concept."""
    answers = {name: Answer(each, tuple(range(1, len(each) + 1)), 1.0) for name, each in ranks.items()}
    pictures = (
        Asked("a <v1> on snow", {"left": concept}, learnt, answers),
        Asked("a <v1> on the moon", {"left": "dog"}, False),
    )
    facts = {
        "way": "dreambooth",
        "exemplars": 2,
        "candidates": 500,
        "curvature": "base",
        "model": "m",
        **others,
    }
    return ConceptRecord(1, concept, kind, pictures=pictures, **facts)  # type: ignore[arg-type]


def test_measures_by_hand() -> None:
    assert recall((3, 10, 11)) == pytest.approx(2 / 3)
    assert recall((1,), k=1) == 1
    assert average_precision((1, 2)) == 1
    assert average_precision((4, 2)) == pytest.approx(
        (1 / 2 + 2 / 4) / 2
    )  # the order of exemplars is no matter
    assert first_rank((7, 4)) == 4
    assert random_recall(500) == 0.02


def test_what_was_not_learnt_is_not_counted() -> None:
    """Law: A picture that does not show its concept counts in no figure of customised models."""
    known = record("owl", {"divergence": (1, 2), "clip": (1, 50)})
    found = Compared.of([known, record("crab", {}, learnt=False)])
    assert [each.concept for each in found.records] == ["owl"]
    assert found.values("clip", recall).tolist() == [0.5]
    assert found.values("clip", recall, among_trained).tolist() == [1.0]
    lead, (low, high) = found.lead("divergence", "clip", recall)
    assert lead == low == high == 0.5


def test_methods_are_compared_on_the_same_concepts() -> None:
    """Law: A method that has not answered about all concepts stands in no table with those that have."""
    one = record("owl", {"divergence": (1, 2), "clip": (1, 50)})
    other = record("crab", {"divergence": (3, 4)})
    assert Compared.of([one, other]).methods == ("divergence",)


def test_records_are_read_back_and_damaged_ones_refused(tmp_path: Path) -> None:
    path = tmp_path / "dreambooth" / "owl.json"
    known = record("owl", {"clip": (1, 50)})
    known.write(path)
    assert read_records(tmp_path) == [known]
    path.write_text("{}")
    with pytest.raises(ResultError, match="conceptrecord"):
        read_records(tmp_path)


def test_the_page_says_who_leads_and_what_was_not_learnt() -> None:
    records = [
        record("owl", {DEFAULT: (1, 2), "clip": (1, 50)}),
        record("robot", {DEFAULT: (1, 3), "clip": (9, 80)}, exemplars=3),
        record("pencil", {DEFAULT: (5, 6), "clip": (1, 2)}, kind="style"),
        record("crab", {}, learnt=False),
        record("owl", {DEFAULT: (1, 2), "clip": (1, 50)}, curvature="own"),
    ]
    text = document(records)
    assert "Not learnt, and not counted: crab" in text
    assert "learnt by heart" not in text  # a style was learnt
    assert "learnt by heart" in document([records[0], record("mosaic", {}, learnt=False, kind="style")])
    assert "### Objects (2), with other concepts' exemplars as foils" in text
    assert "| `clip` | +0.500 | [0.500, 0.500] |" in text
    assert "the customised model's own (1 concepts)" in text
    assert text.index("| `clip` | 1.000") < text.index(f"| `{DEFAULT}` | 1.000", text.index("### Styles"))


def test_an_image_that_was_not_ranked_is_behind_all_others() -> None:
    ranked = [
        Entry(rank, f"image-{row}", row, "", "", 1.0 / rank, None) for rank, row in enumerate((3, 1), 1)
    ]
    ranking = ranking_of(ranked)
    assert ranks_of(ranking, ["image-1", "image-3", "unnamed-0"]) == (2, 1, 4)
    assert ranks_of(ranking, ["image-1", "unnamed-0"], without=frozenset({"image-3"})) == (1, 3)


def test_a_folder_without_concepts_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["customised", str(tmp_path)]) == 2
    assert f"there is no file {tmp_path}/candidates/concepts.json" in capsys.readouterr().err


def test_concepts_that_nothing_was_chosen_on_have_a_table_of_their_own() -> None:
    """Law: Concepts that nothing was chosen on are told apart, by all methods that answered them."""
    records = [record("owl", {DEFAULT: (1, 2)}), record("guitar", {DEFAULT: (1, 2), "d-trak": (3, 4)})]
    text = document(records)
    before, apart = text.split("### Concepts that nothing was chosen on (guitar)")
    assert "`d-trak`" not in before
    assert "`d-trak`" in apart
    assert "nothing was chosen on" not in document(records[:1])
    all_of_them = document([records[1], record("umbrella", {DEFAULT: (1, 2)})])
    assert all_of_them.count("| method |") == 2, "no table stands there twice"
    assert "Nothing was chosen on any of these concepts." in all_of_them


def test_heads_are_told_by_what_they_say_of_themselves() -> None:
    measured = {"recall": 0.75, "recall_untuned": 0.5, "divergence": 1.25, "concepts": 8, "made": 128}
    head = HeadDescription(
        encoder="clip", checkpoint="../clip", fingerprint="f", temperature=0.05, measured=measured
    )
    text = document([record("owl", {DEFAULT: (1, 2)})], {"clip-tuned": head})
    assert "| `clip-tuned` | 0.750 | 0.500 | 0.0500 | 1.25 | 8 | 128 |" in text
    assert "tuned heads" not in document([record("owl", {DEFAULT: (1, 2)})])


def test_ways_that_taught_next_to_nothing_come_last_and_are_not_compared() -> None:
    """Law: No table is made of one concept, and the way of teaching that taught most comes first."""
    few = [record("owl", {DEFAULT: (1, 2)}, way="another"), record("crab", {}, learnt=False, way="another")]
    text = document([*few, record("owl", {DEFAULT: (1, 2)}), record("robot", {DEFAULT: (1, 3)})])
    first, last = text.split("## another")
    assert "## dreambooth" in first
    assert "Too few concepts were learnt" in last
    assert "| method |" not in last
