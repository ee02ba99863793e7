"""Several models trained at once on one GPU: each as `training.loop` trains it alone, up to rounding.

A small model leaves a GPU idle: its kernels end before the processor has started the next. So the step of
each model is recorded once as a CUDA graph, with everything that it reads in tables on the GPU (which step
it is, too), and replayed on a stream of the model's own; the GPU runs what fits beside each other. An
example that is left out of a model's training weighs nothing in its loss, whose shape stays.

On a CPU the same steps are taken one by one, which is of use to tests alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from training.loop import Recipe, averaging, learning_rate_factor, new_optimizer

SYNCHRONISED = 100  # after so many steps the processor waits for the GPU

Inputs = Sequence[Tensor]  # of one step, or [steps, ...] of all
LossOfEach = Callable[..., Tensor]  # (model, *inputs of a step) => the loss of each example


@dataclass(frozen=True)
class Lesson:
    """One model to be trained. Models of one seed share their tables.

    Attributes:
        tables: what `loss_of_each` is given at each step: [steps, batch, ...], on the model's device.
        kept: [steps, batch], 1 for the examples that the model learns from and 0 for those left out.
    """

    model: nn.Module
    tables: Inputs
    kept: Float[Tensor, "steps batch"]


def kept_examples(
    rows: Int[Tensor, "steps batch"], left_out: frozenset[int]
) -> Float[Tensor, "steps batch"]:
    """Which places of each step's batch are learnt from.

    Raises:
        ValueError: a batch would be empty, so that training alone would skip a step.
    """
    kept = ~torch.isin(rows, torch.tensor(sorted(left_out), dtype=rows.dtype))
    if not kept.any(dim=1).all():
        raise ValueError("a batch has no example left: train this model by itself")
    return kept.float()


def train_together(
    lessons: Sequence[Lesson], loss_of_each: LossOfEach, recipe: Recipe
) -> Iterator[tuple[int, list[float]]]:
    """Train all models in place; yields (steps done, each one's loss). Then they hold averaged weights.

    A model whose training comes apart ends with a loss that is not finite; it touches no other.
    """
    students = [Student(lesson, loss_of_each, recipe) for lesson in lessons]
    for student in students:
        student.prepare()
    for done in range(1, recipe.steps + 1):
        for student in students:
            student.step()
        if done % SYNCHRONISED == 0 or done == recipe.steps:
            for student in students:
                student.wait()
            yield done, [float(student.curve[done - 1]) for student in students]
    for student in students:
        student.finish()


@dataclass
class Student:
    lesson: Lesson
    loss_of_each: LossOfEach
    recipe: Recipe
    _replay: Callable[[], object] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        steps, device = self.recipe.steps, self.lesson.kept.device
        self.now = torch.zeros(1, dtype=torch.int64, device=device)
        self.curve = torch.full((steps,), float("nan"), device=device)
        base = self.recipe.learning_rate
        rates = [base * learning_rate_factor(step, self.recipe) for step in range(steps)]
        self.rates = torch.tensor(rates, device=device)
        self.averagings = torch.tensor(
            [averaging(step, self.recipe) for step in range(steps)], device=device
        )
        self.rate = torch.zeros((), device=device)
        self.optimizer = new_optimizer(self.lesson.model, self.recipe, self.rate)
        floats = [value for value in self.lesson.model.state_dict().values() if value.is_floating_point()]
        self.weights = floats
        self.average = [value.clone() for value in floats]
        self.lesson.model.train()

    def prepare(self) -> None:
        """On a GPU, record the step. It must be run once first, which is undone."""
        if self.now.device.type != "cuda":
            return
        before = [weight.clone() for weight in self.weights]
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            self._take()
        self.stream.synchronize()
        with torch.no_grad():
            torch._foreach_copy_(self.weights, before)
            torch._foreach_copy_(self.average, before)
            for state in self.optimizer.state.values():
                for value in state.values():
                    value.zero_()
        self.now.zero_()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self.stream):
            self._take()
        self._replay = graph.replay

    def step(self) -> None:
        if self._replay is None:
            self._take()
            return
        with torch.cuda.stream(self.stream):
            self._replay()

    def wait(self) -> None:
        """Until the GPU has taken the steps: nothing may read what they write before."""
        if self._replay is not None:
            self.stream.synchronize()

    def finish(self) -> None:
        """Give the model its averaged weights."""
        with torch.no_grad():
            torch._foreach_copy_(self.weights, self.average)
        self.lesson.model.eval()

    @cached_property
    def stream(self) -> torch.cuda.Stream:
        return torch.cuda.Stream()

    def _take(self) -> None:
        """One step, with nothing that the processor must know."""
        inputs = [self._of_now(table) for table in self.lesson.tables]
        kept = self._of_now(self.lesson.kept)
        losses = self.loss_of_each(self.lesson.model, *inputs)
        loss = (losses * kept).sum() / kept.sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.lesson.model.parameters(), self.recipe.clip_norm)
        self.rate.copy_(self._of_now(self.rates))
        self.optimizer.step()
        with torch.no_grad():
            decay = self._of_now(self.averagings)
            torch._foreach_mul_(self.average, decay)
            torch._foreach_add_(self.average, torch._foreach_mul(self.weights, 1 - decay))
            self.curve.index_copy_(0, self.now, loss.detach()[None])
            self.now += 1

    def _of_now(self, table: Tensor) -> Tensor:
        return table.index_select(0, self.now).squeeze(0)
