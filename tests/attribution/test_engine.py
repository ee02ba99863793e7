"""Laws of asking many methods at once."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from attribution.analysis.query_check import query_warnings
from attribution.candidates import candidates_for, shortlist
from attribution.engine import attribute
from attribution.errors import CaptionError, InputError, SettingsError, TrainingSetError, UnknownNameError
from attribution.gradients.query_context import QueryContext
from attribution.methods.abu import AbUOptions
from attribution.methods.base import method, methods, settings_from_json, with_options
from attribution.query import Box, Query, Settings
from attribution.results import Attribution, Entry, Ranking, returned
from attribution.serialization import to_csv, to_json
from attribution.workspace.workspace import Workspace
from tests.worlds.queries import query_of
from tests.worlds.rankings import ranking_of
from tests.worlds.settings import quick

QUICK = quick({"draws": 8, "calibration_draws": 4}, candidates=6, batch_size=32)
FAST = ("clip", "clip-text", "dino", "pixel", "random")


def shortlisted(workspace: Workspace, query: Query, count: int) -> np.ndarray:
    return returned(shortlist(QueryContext(workspace, query, dataclasses.replace(QUICK, shortlist=count))))


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

    def rows(query: Query, settings: Settings) -> np.ndarray:
        context = QueryContext(tiny_world, query, settings)
        return returned(candidates_for(method("abu"), context)).rows

    first, second = (rows(query_of(tiny_world, row), QUICK) for row in (1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, rows(query_of(tiny_world), dataclasses.replace(QUICK, seed=1)))


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
    rows = shortlisted(tiny_world, query, 9)
    assert len(set(rows.tolist())) == 9
    for name in ("clip", "dino", "clip-text"):
        assert method(name).nearest(QueryContext(tiny_world, query, QUICK), 1)[0] in rows  # type: ignore[attr-defined]


def test_shortlist_comes_in_order_of_promise(tiny_world: Workspace) -> None:
    query = query_of(tiny_world, 5)
    long = shortlisted(tiny_world, query, 30)
    short = shortlisted(tiny_world, query, 9)
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
    assert list(dict.fromkeys(order)) == ["clip", "abu"]


def test_results_are_written_in_the_order_asked_for(tiny_world: Workspace) -> None:
    answer = final(tiny_world, query_of(tiny_world), ("abu", "clip", "random"), QUICK)
    assert list(to_json(answer)["methods"]) == ["abu", "clip", "random"]


def test_unknown_method_names_the_known_ones(tiny_world: Workspace) -> None:
    with pytest.raises(UnknownNameError, match=r"abu, .*random"):
        list(attribute(tiny_world, query_of(tiny_world), ["magic"], QUICK))
    assert {"abu", "abu-plus", "first-order", "trak", "d-trak", "journey-trak", "das", *FAST} <= set(
        methods()
    )


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
        {"candidates": 0},
        {"batch_size": 0},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Settings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong", [{"draws": 7}, {"alpha": float("nan")}, {"alpha": -1.0}, {"damping": -0.1}, {"target_rise": 0}]
)
def test_options_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        with_options(method("abu"), wrong)


def test_options_are_checked_by_name_and_type() -> None:
    with pytest.raises(SettingsError, match=r"abu has no option 'drawz': choose from draws, "):
        with_options(method("abu"), {"drawz": 3})
    with pytest.raises(SettingsError, match=r"clip has no option 'draws': it has none"):
        with_options(method("clip"), {"draws": 4})
    with pytest.raises(SettingsError, match=r"abu\.draws is 'many'"):
        with_options(method("abu"), {"draws": "many"})
    assert with_options(method("abu"), {"damping": "0.05"}) == AbUOptions(damping=0.05)


def test_options_of_another_method_are_refused_before_anything_is_computed(tiny_world: Workspace) -> None:
    swapped = Settings(options={"abu": method("first-order").options})
    with pytest.raises(SettingsError, match="FirstOrderOptions are not the options of abu"):
        next(attribute(tiny_world, query_of(tiny_world), ["abu"], swapped))


def test_settings_come_back_from_json_as_they_were() -> None:
    settings = dataclasses.replace(QUICK, seed=3, candidates=("a", "b"))
    written = json.loads(json.dumps(settings.to_json(methods().values())))
    back = settings_from_json(written)
    assert back.to_json(methods().values()) == settings.to_json(methods().values())
    assert back.options_of(method("abu")) == settings.options_of(method("abu"))


def test_an_empty_caption_is_refused() -> None:
    with pytest.raises(CaptionError, match="--caption"):
        Query(Image.new("RGB", (8, 8)), "  ")


def test_a_picture_unlike_the_training_set_is_warned_of(embedded_world: Workspace) -> None:
    """On the trained world: to a barely trained model every picture is as strange as the next."""
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8))
    warnings = query_warnings(
        QueryContext(embedded_world, Query(noise, "a giraffe on the beach"), QUICK), measured=True
    )
    assert any("giraffe" in warning for warning in warnings)
    assert any("unlike the training images" in warning for warning in warnings)


def test_a_training_image_is_not_warned_of(tiny_world: Workspace) -> None:
    assert query_warnings(QueryContext(tiny_world, query_of(tiny_world, 8), QUICK), measured=True) == ()


def test_json_and_csv_carry_what_is_needed_to_argue(tiny_world: Workspace, tmp_path: Path) -> None:
    box = Box(0.1, 0.2, 0.6, 0.9)
    answer = final(tiny_world, query_of(tiny_world, box=box), ("abu", "clip"), QUICK)
    data = json.loads(json.dumps(to_json(answer)))
    assert data["query"]["box"] == [0.1, 0.2, 0.6, 0.9]
    assert data["query"]["snapped_box"] == [0.0625, 0.1875, 0.625, 0.9375]  # outwards, on 16 x 16
    assert data["settings"]["seed"] == 0
    assert set(data["fingerprints"]) >= {"model", "training_set", "probe"}
    first = data["methods"]["abu"]["ranking"][0]
    assert set(first) == {"rank", "id", "file_name", "caption", "score", "stderr"}
    assert first["stderr"] > 0
    rows = [line for line in to_csv(answer).splitlines() if not line.startswith("#")]
    assert len(rows) == 1 + 6 + 6


def test_csv_makes_formulas_harmless() -> None:
    entry = Entry(1, "=1+1", 0, "a.png", "=HYPERLINK(evil)", 0.5, None)
    ranking = ranking_of([entry])
    text = to_csv(Attribution({}, {}, {}, {"clip": ranking}))
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
