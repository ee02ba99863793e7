"""Ask methods about pictures that a customised model makes: its workspace first, then each question."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from attribution.engine import attribute
from attribution.errors import ResultError
from attribution.methods.base import Cost, method
from attribution.models.base import Generation
from attribution.query import Query, Settings
from attribution.results import Ranking
from attribution.workspace.workspace import Workspace
from evaluation.customised.collection import CANDIDATES, Collection, TaughtConcept, is_pipeline
from evaluation.customised.records import FORMAT, Answer, Asked, ConceptRecord
from evaluation.judging import Verdicts, verdicts_of
from evaluation.pictures import generated_query

BASE, OWN = "base", "own"  # whose curvature
PLAIN, SHARED = "plain", "shared"  # captions of other concepts' exemplars: by name, or with the new word
SHORTLISTED_BY = "clip"  # whose embedding is there wherever something is measured
CURVATURE = ("allotment", "fisher", "kfac", "ekfac")


@dataclass(frozen=True)
class Benchmark:
    """How customised models are asked.

    Attributes:
        way: how they were taught.
        base: the workspace of the model that they were taught from.
        work: workspaces and pictures, kept to go on with.
        records: what is finished.
        judge: a command that says what pictures show: `{pictures}` => `{verdicts}`.
        methods: that are asked.
        curvature: the base's, or the customised model's own.
        captions: whether other concepts' exemplars share the new word.
        effort: of every question.
        seed: of every picture and question.
        steps, guidance: of every picture.
        pool: noises whose losses are precomputed.
    """

    collection: Collection
    way: str
    base: Path
    work: Path
    records: Path
    judge: tuple[str, ...]
    methods: tuple[str, ...]
    curvature: str = BASE
    captions: str = PLAIN
    effort: str = "refined"
    seed: int = 0
    steps: int = 40
    guidance: float = 3.0
    pool: int = 2
    device: str = "cpu"

    def run(self, concept: TaughtConcept) -> Iterator[str]:
        """Ask what is not recorded of one concept; yields a line for each thing done.

        Raises:
            MissingArtifactError: its model is not there.
            ResultError: a command failed, or the record is of another model.
        """
        found = ConceptRecord.read(self._record(concept)) if self._record(concept).exists() else None
        missing = [name for name in self.methods if found is None or not _answers(found, name)]
        if not missing or (found is not None and not any(each.learnt for each in found.pictures)):
            return
        workspace = self._opened(concept)
        if found is not None and found.model != workspace.fingerprints["model"]:
            raise ResultError(
                f"{self._record(concept)} is of another model than the one that lies in "
                f"{self.collection.model(self.way, concept)}: answers of two models make no record; "
                "move it away, or name another folder by --records"
            )
        queries = self._queries(concept, workspace)
        record = found or self._fresh(concept, workspace)
        yield f"{concept.name}: {sum(each.learnt for each in record.pictures)} of {len(queries)} show it"
        record.write(self._record(concept))
        for name in missing if any(each.learnt for each in record.pictures) else ():
            self._prepare(workspace, _jobs(workspace, name))
            record = self._asked(record, concept, workspace, queries, name)
            record.write(self._record(concept))
            yield f"{concept.name}: {name} ranks them {_ranks(record, name)}"

    def _record(self, concept: TaughtConcept) -> Path:
        return self.records / self._name / f"{concept.folder}.json"

    @property
    def _name(self) -> str:
        name = self.way if self.curvature == BASE else f"{self.way}-{self.curvature}-curvature"
        return name if self.captions == PLAIN else f"{name}-{self.captions}-word"

    def _opened(self, concept: TaughtConcept) -> Workspace:
        """The concept's workspace; made of the base's if there is none."""
        folder = self.work / self._name / concept.folder
        if not (folder / "workspace.json").exists():
            self._create(folder, concept)
        base, own = Workspace.open(self.base), Workspace.open(folder, self.device)
        if base.config.encoders.keys() - own.config.encoders.keys():  # the base was given a head since
            self._precompute("embeddings", folder, _encoders(base))
            own = Workspace.open(folder, self.device)
        return own

    def _candidates(self, concept: TaughtConcept) -> Path:
        if self.captions == SHARED:
            return self.collection.candidates
        folder = self.work / CANDIDATES / concept.folder
        self.collection.write_candidates(concept, folder)
        return folder

    def _create(self, folder: Path, concept: TaughtConcept) -> None:
        base, model = Workspace.open(self.base), self.collection.model(self.way, concept)
        of = (
            [str(model)]
            if is_pipeline(model)
            else [base.source(base.config.model), "--adapter", str(model)]
        )
        probe = ["--pool", str(self.pool), "--noises", str(min(self.pool, base.probe.noises))]
        dataset = ["--dataset", str(self._candidates(concept))]
        self._precompute("init", folder, ["--model", *of, *dataset, *_encoders(base), *probe])
        if self.curvature == BASE:
            self._call([sys.executable, "-m", "precompute", "adopt", str(self.base), *CURVATURE], folder)

    def _prepare(self, workspace: Workspace, jobs: Sequence[str]) -> None:
        for job in jobs:
            self._precompute(job, workspace.folder, [])
        workspace.forget()

    def _precompute(self, verb: str, folder: Path, options: Sequence[str]) -> None:
        self._call([sys.executable, "-m", "precompute", verb, "--device", self.device, *options], folder)

    def _call(self, command: Sequence[str], folder: Path) -> None:
        threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
        done = subprocess.run(
            [*command, "--workspace", str(folder)], capture_output=True, text=True, check=False,
            env={**os.environ, **threads},
        )  # fmt: skip
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise ResultError(f"`precompute` failed for {folder}: {last}")

    def _queries(self, concept: TaughtConcept, workspace: Workspace) -> list[Query]:
        return [
            generated_query(
                workspace,
                Generation(prompt, self.seed, self.steps, self.guidance),
                self._pictures(concept) / f"{number}.png",
            )
            for number, prompt in enumerate(concept.prompts)
        ]

    def _pictures(self, concept: TaughtConcept) -> Path:
        return self.work / "pictures" / self.way / concept.folder

    def _fresh(self, concept: TaughtConcept, workspace: Workspace) -> ConceptRecord:
        """A record without answers: what the pictures show."""
        verdicts = self._verdicts(self._pictures(concept))
        shown = [
            {asked: max(likely, key=likely.__getitem__) for asked, likely in verdicts[f"{n}.png"].items()}
            for n in range(len(concept.prompts))
        ]
        pictures = tuple(
            Asked(prompt, said, concept.name in said.values())
            for prompt, said in zip(concept.prompts, shown, strict=True)
        )
        made_with: dict[str, Any] = {
            "machine": platform.machine(),
            "device": self.device,
            "torch": torch.__version__,
        }
        made_with |= {"effort": self.effort, "pool": self.pool, "seed": self.seed}
        return ConceptRecord(
            FORMAT, concept.name, concept.kind, self.way, len(concept.exemplars),
            len(workspace.training_set), self.curvature, workspace.fingerprints["model"], pictures,
            made_with, self.captions,
        )  # fmt: skip

    def _verdicts(self, pictures: Path) -> Verdicts:
        out = pictures / "verdicts.json"
        values = {"python": sys.executable, "pictures": pictures, "verdicts": out}
        return verdicts_of([word.format(**values) for word in self.judge], out, "the judge")

    def _asked(
        self,
        record: ConceptRecord,
        concept: TaughtConcept,
        workspace: Workspace,
        queries: Sequence[Query],
        name: str,
    ) -> ConceptRecord:
        """The record with one method's answers about the pictures that show the concept."""
        settings = Settings(seed=self.seed, effort=self.effort, shortlist=len(workspace.training_set))
        pictures = []
        for each, query in zip(record.pictures, queries, strict=True):
            if each.learnt:
                *_, ranking = (
                    found
                    for found in attribute(workspace, query, [name], settings)
                    if isinstance(found, Ranking)
                )
                answer = Answer(
                    ranks_of(ranking, concept.exemplars),
                    ranks_of(ranking, concept.exemplars, self.collection.foils(concept)),
                    round(ranking.seconds, 2),
                )
                each = replace(each, answers={**each.answers, name: answer})
            pictures.append(each)
        return replace(record, pictures=tuple(pictures))


def ranks_of(
    ranking: Ranking, ids: Sequence[str], without: frozenset[str] = frozenset()
) -> tuple[int, ...]:
    """The places of some images, from 1; one that was not ranked is behind all others.

    Args:
        without: images that are taken out of the ranking.
    """
    known = [ranking.training_set.ids[row] for row in ranking.rows]
    places = {name: place for place, name in enumerate((x for x in known if x not in without), 1)}
    return tuple(places.get(each, len(ranking.training_set) - len(without)) for each in ids)


def _answers(record: ConceptRecord, name: str) -> bool:
    return all(name in each.answers for each in record.pictures if each.learnt)


def _ranks(record: ConceptRecord, name: str) -> list[list[int]]:
    return [list(each.answers[name].ranks) for each in record.pictures if each.learnt]


def _encoders(base: Workspace) -> list[str]:
    """The flags that give a workspace the encoders of its base."""
    encoders = base.config.encoders.items()
    return [word for name, source in encoders for word in (f"--{name}", base.source(source))]


def _jobs(workspace: Workspace, name: str) -> list[str]:
    """The commands of what a method needs and is not there yet, in order; and of what a shortlist needs."""
    asked = [method(name)]
    if asked[0].cost is Cost.PER_EXAMPLE:
        asked.append(method(SHORTLISTED_BY))
    needed = [kind for each in asked for kind in each.needs(workspace) if not workspace.has(kind)]
    return list(dict.fromkeys(kind.command for kind in needed))
