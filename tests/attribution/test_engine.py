"""Laws of asking many methods at once."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from attribution.engine import attribute, candidates_for, query_warnings, shortlist
from attribution.errors import CaptionError, InputError, SettingsError, TrainingSetError, UnknownNameError
from attribution.methods.base import method, methods
from attribution.query import Box, Query, Settings
from attribution.results import Attribution, Entry, Ranking
from attribution.workspace.workspace import Workspace

QUICK = Settings(unlearning_draws=8, calibration_draws=4, candidates=6, batch_size=32)
FAST = ("clip", "clip-text", "dino", "pixel", "random")


def query_of(workspace: Workspace, row: int = 5, box: Box | None = None) -> Query:
    return Query(workspace.training_set.image(row), workspace.training_set.captions[row], box)


def final(workspace: Workspace, query: Query, methods: tuple[str, ...], settings: Settings) -> Attribution:
    *_, answer = attribute(workspace, query, methods, settings)
    assert isinstance(answer, Attribution)
    return answer


def test_every_method_ranks_the_same_candidates(tiny_world: Workspace) -> None:
    """Law: Every method ranks the same candidates."""
    answer = final(tiny_world, query_of(tiny_world), ("abu", *FAST), QUICK)
    asked = [sorted(entry.id for entry in ranking.entries) for ranking in answer.rankings.values()]
    assert len(asked) == 6
    assert all(ids == asked[0] for ids in asked)
    assert len(asked[0]) == 6


def test_random_candidates_depend_on_the_seed_and_not_on_the_query(tiny_world: Workspace) -> None:
    """Law: Random candidates depend on the seed and not on the query."""
    rows = [candidates_for(method("abu"), tiny_world, query_of(tiny_world, q), QUICK).rows for q in (1, 2)]
    assert np.array_equal(*rows)
    other = dataclasses.replace(QUICK, seed=1)
    assert not np.array_equal(
        rows[0], candidates_for(method("abu"), tiny_world, query_of(tiny_world), other).rows
    )


def test_shortlist_does_not_depend_on_the_methods_shown(tiny_world: Workspace) -> None:
    """Law: The shortlist does not depend on which methods are shown."""
    settings = dataclasses.replace(QUICK, candidates=None, shortlist=7)
    ids = []
    for shown in (("abu",), ("abu", "random"), ("abu", "pixel", "dino")):
        entries = final(tiny_world, query_of(tiny_world), shown, settings).rankings["abu"].entries
        ids.append([entry.id for entry in entries])
    assert ids[0] == ids[1] == ids[2]
    assert len(ids[0]) == 7


def test_shortlist_holds_the_nearest_of_each_list(tiny_world: Workspace) -> None:
    query = query_of(tiny_world, 5)
    rows = shortlist(tiny_world, query, dataclasses.replace(QUICK, shortlist=9))
    assert len(set(rows.tolist())) == 9
    for name in ("clip", "dino", "clip-text"):
        assert method(name).nearest(tiny_world, query, 1)[0] in rows  # type: ignore[attr-defined]


def test_shortlist_comes_in_order_of_promise(tiny_world: Workspace) -> None:
    query = query_of(tiny_world, 5)
    long = shortlist(tiny_world, query, dataclasses.replace(QUICK, shortlist=30))
    short = shortlist(tiny_world, query, dataclasses.replace(QUICK, shortlist=9))
    assert np.array_equal(long[:9], short)
    settings = dataclasses.replace(QUICK, candidates=None)
    predicted = final(tiny_world, query, ("first-order",), settings).rankings["first-order"].entries
    assert long[0] == predicted[0].row


def test_a_training_image_asked_about_is_its_own_nearest_neighbour(tiny_world: Workspace) -> None:
    answer = final(tiny_world, query_of(tiny_world, 5), FAST, Settings(effort="instant"))
    own = tiny_world.training_set.ids[5]
    for name in ("clip", "dino", "pixel"):
        assert answer.rankings[name].entries[0].id == own
        assert len(answer.rankings[name].entries) == len(tiny_world.training_set)


def test_fast_methods_answer_first(tiny_world: Workspace) -> None:
    events = attribute(tiny_world, query_of(tiny_world), ["abu", "clip"], QUICK)
    order = [event.method for event in events if isinstance(event, Ranking)]
    assert order == ["clip", "abu"]


def test_results_are_written_in_the_order_asked_for(tiny_world: Workspace) -> None:
    answer = final(tiny_world, query_of(tiny_world), ("abu", "clip", "random"), QUICK)
    assert list(answer.to_json()["methods"]) == ["abu", "clip", "random"]


def test_unknown_method_names_the_known_ones(tiny_world: Workspace) -> None:
    with pytest.raises(UnknownNameError, match=r"abu, .*random"):
        list(attribute(tiny_world, query_of(tiny_world), ["magic"], QUICK))
    assert set(methods()) == {"abu", "abu-plus", "first-order", *FAST}


def test_instant_measures_nothing(tiny_world: Workspace) -> None:
    instant = dataclasses.replace(QUICK, effort="instant")
    assert list(final(tiny_world, query_of(tiny_world), ("abu", "clip"), instant).rankings) == ["clip"]
    with pytest.raises(SettingsError, match="choose effort refined"):
        list(attribute(tiny_world, query_of(tiny_world), ["abu"], instant))


def test_unknown_candidates_are_named(tiny_world: Workspace) -> None:
    settings = dataclasses.replace(QUICK, candidates=("no-such-image",))
    with pytest.raises(TrainingSetError, match="no-such-image"):
        list(attribute(tiny_world, query_of(tiny_world), ["random"], settings))


@pytest.mark.parametrize(
    "wrong",
    [
        {"effort": "heroic"},
        {"shortlist": 0},
        {"unlearning_draws": 7},
        {"candidates": 0},
        {"alpha": float("nan")},
        {"alpha": -1.0},
        {"damping": -0.1},
        {"batch_size": 0},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Settings(**wrong)  # type: ignore[arg-type]


def test_an_empty_caption_is_refused() -> None:
    with pytest.raises(CaptionError, match="--caption"):
        Query(Image.new("RGB", (8, 8)), "  ")


def test_a_picture_unlike_the_training_set_is_warned_of(embedded_world: Workspace) -> None:
    """On the trained world: to a barely trained model every picture is as strange as the next."""
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8))
    warnings = query_warnings(embedded_world, Query(noise, "a giraffe on the beach"))
    assert any("giraffe" in warning for warning in warnings)
    assert any("unlike the training images" in warning for warning in warnings)


def test_a_training_image_is_not_warned_of(tiny_world: Workspace) -> None:
    assert query_warnings(tiny_world, query_of(tiny_world, 8)) == ()


def test_json_and_csv_carry_what_is_needed_to_argue(tiny_world: Workspace, tmp_path: Path) -> None:
    box = Box(0.1, 0.2, 0.6, 0.9)
    answer = final(tiny_world, query_of(tiny_world, box=box), ("abu", "clip"), QUICK)
    data = json.loads(json.dumps(answer.to_json()))
    assert data["query"]["box"] == [0.1, 0.2, 0.6, 0.9]
    assert data["query"]["snapped_box"] == [0.0625, 0.1875, 0.625, 0.9375]  # outwards, on 16 x 16
    assert data["settings"]["seed"] == 0
    assert set(data["fingerprints"]) >= {"model", "training_set", "probe"}
    first = data["methods"]["abu"]["ranking"][0]
    assert set(first) == {"rank", "id", "file_name", "caption", "score", "stderr"}
    assert first["stderr"] > 0
    rows = [line for line in answer.to_csv().splitlines() if not line.startswith("#")]
    assert len(rows) == 1 + 6 + 6


def test_csv_makes_formulas_harmless() -> None:
    entry = Entry(1, "=1+1", 0, "a.png", "=HYPERLINK(evil)", 0.5, None)
    ranking = Ranking("clip", "CLIP", (entry,), 0.1, "all")
    text = Attribution({}, {}, {}, {"clip": ranking}).to_csv()
    assert "'=HYPERLINK" in text
    assert ",=" not in text


@pytest.mark.parametrize(
    ("box", "cells"),
    [
        ((0.0, 0.0, 1.0, 1.0), (0, 0, 10, 10)),
        ((0.3, 0.3, 0.7, 0.7), (3, 3, 7, 7)),  # 0.3 * 10 is not 3 in floating point
        ((0.31, 0.31, 0.32, 0.32), (3, 3, 4, 4)),
        ((0.29, 0.0, 0.71, 0.01), (2, 0, 8, 1)),
    ],
)
def test_boxes_are_snapped_outwards(box: tuple[float, ...], cells: tuple[int, ...]) -> None:
    assert Box(*box).cells(10, 10) == cells
    left, top, right, bottom = cells
    mask = Box(*box).mask(10, 10)
    assert mask.sum() == (right - left) * (bottom - top)
    assert mask[top:bottom, left:right].all()
