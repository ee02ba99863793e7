"""Laws of models that are trained at once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from training.loop import Batches, Recipe, train
from training.together import Lesson, kept_examples, train_together

COUNT, STEPS = 12, 7
RECIPE = Recipe(steps=STEPS, batch=4, learning_rate=1e-2, warmup=2, ema=0.9)
DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=[pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")]
    ),
]


def new_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.GELU(), nn.Linear(8, 1))


def loss_of_each(model: nn.Module, given: Tensor, wanted: Tensor) -> Tensor:
    found: Tensor = (model(given)[:, 0] - wanted).square()
    return found


def examples() -> tuple[Tensor, Tensor]:
    drawn = torch.Generator().manual_seed(1)
    return torch.randn(COUNT, 5, generator=drawn), torch.randn(COUNT, generator=drawn)


@pytest.mark.parametrize("device", DEVICES)
def test_training_beside_others_changes_nothing(
    device: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Law: Models that are trained at once become what each becomes alone, up to rounding."""
    given, wanted = examples()
    absences = [frozenset[int](), frozenset({1, 5}), frozenset({0, 2, 3})]
    alone = []
    for left_out in absences:
        model, checkpoint = new_model(), tmp_path_factory.mktemp("alone") / "c.pt"

        def loss(step: int, rows: list[int], model: nn.Module = model) -> Tensor:
            return loss_of_each(model, given[rows], wanted[rows]).mean()

        for _ in train(model, loss, RECIPE, COUNT, checkpoint, left_out):
            pass
        alone.append(model)
    batches = Batches(COUNT, RECIPE)
    rows = torch.tensor([batches[step] for step in range(STEPS)])
    tables = [given[rows].to(device), wanted[rows].to(device)]
    lessons = [
        Lesson(new_model().to(device), tables, kept_examples(rows, each).to(device)) for each in absences
    ]
    steps = list(train_together(lessons, loss_of_each, RECIPE))
    assert [done for done, _ in steps] == [STEPS]
    assert all(torch.isfinite(torch.tensor(losses)).all() for _, losses in steps)
    for lesson, model in zip(lessons, alone, strict=True):
        for found, expected in zip(lesson.model.parameters(), model.parameters(), strict=True):
            assert torch.allclose(found.cpu(), expected, atol=1e-5)
    first, second = (torch.cat([p.flatten() for p in m.parameters()]) for m in alone[:2])
    assert not torch.allclose(first, second, atol=1e-3)
