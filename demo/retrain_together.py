"""Many denoisers trained on one GPU, several at once: what `demo.retrain` trains one by one.

Each gets the same examples, noise and initial weights as alone. There are no checkpoints: a group takes a
minute or two, and what is interrupted begins anew.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from attribution.errors import NonFiniteError, SettingsError
from demo import diffusion
from demo.pipeline import publish_pipeline
from demo.retrain import Retraining
from training.loop import Batches
from training.together import Lesson, kept_examples, train_together


@dataclass(frozen=True)
class Group:
    """Retrainings of one recipe but for the seed, worked through in their order.

    Attributes:
        at_once: how many are on the GPU together; each takes about a gigabyte of its memory.
    """

    jobs: Sequence[Retraining]
    at_once: int

    def run(self) -> Iterator[tuple[str, int, int, str]]:
        """Train what is not there yet, and write each pipeline as it is done.

        Raises:
            NonFiniteError: trainings came apart; they wrote nothing, and all others did.
        """
        torch.backends.cudnn.deterministic = True  # the same arguments train the same models
        todo = [job for job in self.jobs if not job.finished]
        for job in todo:
            job.check()
        failed: list[Path] = []
        starts = range(0, len(todo), self.at_once)
        for number, first in enumerate(starts, 1):
            name = f"group {number} of {len(starts)}"
            yield from self._trained(todo[first : first + self.at_once], name, failed)
        if failed:
            raise NonFiniteError(
                f"{len(failed)} trainings came apart, of {failed[0]} among others: train them by themselves"
            )

    def _trained(
        self, jobs: Sequence[Retraining], name: str, failed: list[Path]
    ) -> Iterator[tuple[str, int, int, str]]:
        device = jobs[0].world.device
        tables = {
            job.seed: [table.to(device) for table in self._tables(job)]
            for job in {job.seed: job for job in jobs}.values()
        }
        lessons = []
        for job in jobs:
            count = len(job.world.rows)
            kept = kept_examples(Batches(count, job.recipe), job.world.left_out_rows, job.steps)
            lessons.append(Lesson(job.new_model().to(device), tables[job.seed], kept.to(device)))
        values: list[float] = []
        for done, values in train_together(lessons, diffusion.loss_of_each, jobs[0].recipe):
            yield name, done, jobs[0].steps, f"mean loss {sum(values) / len(values):.4f}"
        for job, lesson, value in zip(jobs, lessons, values, strict=True):
            if math.isfinite(value):
                model = job.new_model()
                model.load_state_dict(lesson.model.state_dict())
                publish_pipeline(job.vae, model, job.tokenizer, job.out)
            else:
                failed.append(job.out)

    def _tables(self, job: Retraining) -> list[Tensor]:
        """What every step of a seed is given: the draws of all examples, whoever leaves some out."""
        alone = replace(job, world=replace(job.world, left_out=frozenset()))
        loss, batches = alone.loss(job.new_model()), Batches(len(job.world.rows), job.recipe)
        made = [loss.inputs(step, batches[step]) for step in range(job.steps)]
        return [torch.stack(each) for each in zip(*made, strict=True)]


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
