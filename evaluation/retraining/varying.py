"""What other ways of scoring say of a panel, so that they can be held against retraining too.

`evaluation.score_variants` has the ways; here each scores every training image for every picture, which the
linear datamodeling score needs. Nothing is trained for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy import ndarray

from attribution.unlearning.movement import spread_places
from attribution.workspace.baseline import mean_losses
from attribution.workspace.workspace import Workspace
from evaluation.retraining.attributions import Question, answered, answers_of_all, query_of, questions_of
from evaluation.retraining.panel import Panel
from evaluation.score_variants import MEASURES, Laboratory, Variant
from evaluation.studies import Kept

RELATIVE = "relative divergence"
MEASURED = (RELATIVE, *MEASURES)


@dataclass(frozen=True)
class Varying:
    """A panel to be asked about by variants of a score.

    Attributes:
        timesteps: at which each training image is measured, evenly spread over the workspace's, one noise
            at each.
        work: keeps what is measured until a variant has all of it.
    """

    workspace: Workspace
    panel: Panel
    timesteps: int
    work: Path

    def ask(self, variants: Sequence[Variant], folder: Path) -> Iterator[str]:
        """Write the scores of each variant, a file a measure; yields a line a picture.

        Raises:
            MismatchError: there are scores of another panel or model, or the panel is of another training
                set.
        """
        for variant in variants:
            stem = f"{_slug(variant.name)}-{self.timesteps}"
            paths = {m: folder / f"{stem}-{_slug(m)}.safetensors" for m in MEASURED}
            if all(self._answered(path) for path in paths.values()):
                continue
            questions = questions_of(self.panel, boxed=False)
            answers: dict[str, dict[str, ndarray]] = {measure: {} for measure in MEASURED}
            for done, question in enumerate(questions, 1):
                found = self._scores(variant, question)
                for measure in MEASURED:
                    answers[measure][question.key] = found[measure]
                yield f"{variant.name}: {done} of {len(questions)} pictures"
            for measure, path in paths.items():
                name = f"{variant.name}, {measure}"
                answers_of_all(name, self.workspace, self.panel, answers[measure]).write(folder, path.stem)

    def _answered(self, path: Path) -> bool:
        return answered(path, self.workspace, self.panel, questions_of(self.panel, boxed=False))

    def _scores(self, variant: Variant, question: Question) -> dict[str, ndarray]:
        """By measure, the score of every training image; the mean over the timesteps."""
        kept = Kept(self.work / f"{_slug(variant.name)}-{self.timesteps}")
        query = query_of(self.workspace, self.panel, question)
        each = kept.array(question.key, partial(self._laboratory.answered, variant, query)).mean(axis=2)
        found = dict(zip(MEASURES, each, strict=True))
        rows = np.arange(len(self.workspace.training_set))
        return {RELATIVE: found[MEASURES[0]] / mean_losses(self.workspace, rows), **found}

    @cached_property
    def _laboratory(self) -> Laboratory:
        probe = self.workspace.probe
        places = spread_places(len(probe.timesteps), self.timesteps)
        few = replace(probe, timesteps=tuple(probe.timesteps[place] for place in places), noises=1)
        return Laboratory(self.workspace, np.arange(len(self.workspace.training_set)), few)


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() or c == "." else "-" for c in name.replace("%", "").lower()).strip("-")
