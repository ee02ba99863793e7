"""Many denoisers trained on one GPU, several at once: what `demo.retrain` trains one by one.

Each gets the same examples, noise and initial weights as alone. There are no checkpoints: a group takes a
minute or two, and what is interrupted begins anew.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from attribution.errors import NonFiniteError, SettingsError
from demo import diffusion
from demo.retrain import Retraining
from training.loop import Batches
from training.together import Lesson, kept_examples, train_together


@dataclass(frozen=True)
class Group:
    """Retrainings of one recipe but for the seed, worked through in their order.

    Attributes:
        at_once: how many are on the GPU together; each takes a third of a gigabyte of its memory.
        apart: the folders of models whose training came apart.
        published: pipelines that are written or being written.
    """

    jobs: Sequence[Retraining]
    at_once: int
    apart: list[Path] = field(default_factory=list, init=False)
    published: list[Future[None]] = field(default_factory=list, init=False)

    def run(self) -> Iterator[tuple[str, int, int, str]]:
        """Train what is not there yet, and write each pipeline as it is done.

        Raises:
            NonFiniteError: trainings came apart; they wrote nothing, and all others did.
            TrainingSetError: a scene is to be left out that the world does not have.
        """
        torch.backends.cudnn.deterministic = True  # the same arguments train the same models
        torch.backends.cudnn.allow_tf32 = False  # as near to one trained on a CPU as rounding allows
        todo = [job for job in self.jobs if not job.finished]
        for job in todo:
            job.check()
        given = {job.seed: _Given.by(job) for job in {job.seed: job for job in todo}.values()}
        starts = range(0, len(todo), self.at_once)
        with ThreadPoolExecutor(1) as publisher:
            for number, first in enumerate(starts, 1):
                name = f"group {number} of {len(starts)}"
                yield from self._trained(todo[first : first + self.at_once], given, name, publisher)
        for each in self.published:
            each.result()
        if self.apart:
            raise NonFiniteError(
                f"{len(self.apart)} trainings came apart, such as that of {self.apart[0]}: train them by "
                "themselves"
            )

    def _trained(
        self,
        jobs: Sequence[Retraining],
        given: Mapping[int, _Given],
        name: str,
        publisher: ThreadPoolExecutor,
    ) -> Iterator[tuple[str, int, int, str]]:
        """Train one group. The GPU need not wait for what the thread of `publisher` writes."""
        device = jobs[0].world.device
        models = [job.new_model().to(device) for job in jobs]
        lessons = []
        for job, model in zip(jobs, models, strict=True):
            shared = given[job.seed]
            kept = kept_examples(shared.rows, job.world.left_out_rows).to(device)
            lessons.append(Lesson(model, shared.tables, kept))
        values: list[float] = []
        for done, values in train_together(lessons, diffusion.loss_of_each, jobs[0].recipe):
            yield name, done, jobs[0].steps, f"mean loss {sum(values) / len(values):.4f}"
        for job, model, value in zip(jobs, models, values, strict=True):
            if math.isfinite(value):
                self.published.append(publisher.submit(job.publish, model.to("cpu")))
            else:
                self.apart.append(job.out)


@dataclass(frozen=True)
class _Given:
    """What is given at every step of a seed, whoever leaves some of it out.

    Attributes:
        tables: the inputs of `diffusion.loss_of_each`, on the device.
        rows: which scene stands where, on the CPU.
    """

    tables: list[Tensor]
    rows: Int[Tensor, "steps batch"]

    @classmethod
    def by(cls, job: Retraining) -> _Given:
        batches = Batches(len(job.world.rows), job.recipe)
        rows = [batches[step] for step in range(job.steps)]
        loss = job.loss(job.new_model())
        made = zip(*(loss.inputs(step, each) for step, each in enumerate(rows)), strict=True)
        return cls([torch.stack(each).to(job.world.device) for each in made], torch.tensor(rows))


def read_jobs(path: Path, usual: Retraining) -> list[Retraining]:
    """The retrainings that a JSON file lists: [{"left_out": FILE, "seed": S, "model": FOLDER}, ...].

    Raises:
        SettingsError: it is no such list.
    """
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        return [_job(usual, **each) for each in listed]
    except (ValueError, TypeError, OSError) as problem:
        raise SettingsError(
            f'{path} must be a JSON list of {{"left_out": FILE, "seed": S, "model": FOLDER}}: {problem}'
        ) from None


def _job(usual: Retraining, left_out: str, seed: int, model: str) -> Retraining:
    return usual.leaving_out(Path(left_out).read_text(encoding="utf-8").split(), seed, Path(model))
