"""Laws of what a question costs: nothing is opened or computed that it does not need, or twice."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from attribution.engine import attribute
from attribution.methods.base import Cost, available, methods
from attribution.models.batch import Conditioning
from attribution.query import Box, Query, Settings
from attribution.results import Attribution
from attribution.workspace import workspace as opening
from attribution.workspace.workspace import Workspace
from tests.worlds.settings import quick

LOOKED_UP = [name for name, each in methods().items() if each.cost is Cost.LOOKUP]


def test_what_is_only_looked_up_opens_no_diffusion_model(
    tiny_world: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: A question of look-ups alone opens no diffusion model, boxed or not."""
    monkeypatch.setattr(opening, "open_model", lambda *_: pytest.fail("a model was opened"))
    workspace = Workspace.open(tiny_world.folder)
    there = [name for name in LOOKED_UP if available(methods()[name], workspace)]
    # See tests/attribution/methods/test_distilled.py and tests/attribution/encoders/test_tuned.py.
    assert set(LOOKED_UP) - set(there) <= {"distilled", "clip-tuned", "dino-tuned"}
    image, caption = workspace.training_set.image(3), workspace.training_set.captions[3]
    for box in (None, Box(0.5, 0.3, 1, 1)):
        *_, answer = attribute(workspace, Query(image, caption, box), there, Settings())
        assert isinstance(answer, Attribution)
        assert set(answer.rankings) == set(there)
        assert (answer.query["snapped_box"] is None) == (box is None)


def test_a_query_is_encoded_once_for_all_methods(
    tiny_world: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: A query is encoded once, however many methods are asked."""
    caption = "a cat and a rocket on the sea"
    assert caption not in tiny_world.training_set.captions
    encoded, encode = [], tiny_world.model.encode_captions

    def counted(captions: Sequence[str]) -> Conditioning:
        encoded.extend(captions)
        return encode(captions)

    monkeypatch.setattr(tiny_world.model, "encode_captions", counted)
    query = Query(tiny_world.training_set.image(3), caption)
    settings = quick({"draws": 8, "calibration_draws": 4}, candidates=4, batch_size=32, seed=77)
    list(attribute(tiny_world, query, ["first-order", "abu", "abu-plus", "clip"], settings))
    assert encoded.count(caption) == 1
