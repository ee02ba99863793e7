"""What a model and a training set are, what is wrong with them, and what they will take."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from attribution.data.preprocessing import FLIPS
from attribution.data.several import scan_source
from attribution.data.training_set import TrainingSet
from attribution.encoders.base import Encoder, encoder_reader, encoder_readers
from attribution.errors import ModelError, WhenceError
from attribution.models.adapters import named_adapters
from attribution.models.base import DiffusionModel, open_model
from attribution.models.prompts import spelled_out
from attribution.workspace.config import Config, checked_probe, stored_source
from attribution.workspace.create import askable
from attribution.workspace.workspace import Workspace, checked_device
from attribution.workspace.writer import MOST_AT_ONCE
from precompute.binding import (
    Sources,
    chosen_adapters,
    chosen_columns,
    chosen_encoders,
    chosen_precision,
    chosen_preparation,
    chosen_probe,
)
from precompute.jobs.base import Job, jobs_in, jobs_of, passes, with_options
from precompute.work import Pace, Work, measured_pace

Progress = Callable[[int, int], None]
T = TypeVar("T")
NAMED = 3  # pictures that a finding names
TOKENIZED = 1000  # captions at once


@dataclass(frozen=True)
class Finding:
    """Something that is wrong. `refused`: nothing sound would come of it as it is."""

    words: str
    refused: bool


@dataclass(frozen=True)
class Planned:
    """One artifact that would be made. Seconds and bytes are reckoned; 0 where a job does not say.

    Attributes:
        within: the artifact in whose pass it is made, in no time of its own; "" where it has one.
    """

    artifact: str
    rows: int
    unit: str
    seconds: float
    bytes: int
    sums: int  # bytes on the way to it
    within: str = ""


@dataclass(frozen=True)
class Examination:
    """What was found.

    Attributes:
        facts: what was recognised, by name.
        planned: what would be computed, in order; nothing where one of both cannot be read.
        findings: what is wrong, first what is refused.
    """

    facts: Mapping[str, str]
    planned: Sequence[Planned] = ()
    findings: Sequence[Finding] = field(default_factory=tuple)

    @property
    def refused(self) -> bool:
        """Whether something must be mended first."""
        return any(finding.refused for finding in self.findings)


def examine(
    sources: Sources,
    options: Mapping[str, int | None],
    device: str,
    progress: Progress | None = None,
) -> Examination:
    """Open what there is, and say all that is wrong at once; nothing is written.

    Args:
        options: of the jobs, by name.

    Raises:
        SettingsError: there is no such device, or no such crop.
    """
    device, findings, facts = checked_device(device), list[Finding](), dict[str, str]()
    preparation = chosen_preparation(Path(), sources, None)
    facts["crop"] = f"a picture that is not square is {preparation.words}"
    facts["measured"] = FLIPS[preparation.flips]
    model = _tried(lambda: _opened_model(sources, device), findings)
    columns = chosen_columns(Path(), sources, None)
    training_set = _tried(lambda: scan_source(sources.dataset or "", progress, columns), findings)
    if model is not None:
        facts |= dict(_model_facts(model, sources))
    if training_set is not None:
        facts |= _training_set_facts(training_set)
        findings += _nonsense(model, training_set)
        findings += _cut_captions(model, training_set)
        if model is not None:
            _tried(partial(askable, model, training_set), findings)
    encoders = dict(_opened_encoders(sources, device, findings))
    facts["encoders"] = ", ".join(f"{name} {source}".strip() for name, (source, _) in encoders.items())
    planned: list[Planned] | None = None
    if model is not None and training_set is not None:
        made = (sources, model, training_set, encoders, device)
        planned = _tried(lambda: _planned(options, *made), findings)
    return Examination(facts, planned or (), sorted(findings, key=lambda finding: not finding.refused))


def _tried(read: Callable[[], T], findings: list[Finding]) -> T | None:
    """What was read; None if it cannot be, which is then among the findings."""
    try:
        return read()
    except WhenceError as problem:
        findings.append(Finding(str(problem), refused=True))
        return None


def _opened_model(sources: Sources, device: str) -> DiffusionModel:
    adapters = chosen_adapters(Path(), sources, None)
    precision = chosen_precision(sources, None)
    return open_model(sources.model or "", device, sources.layers, sources.loss_weight, adapters, precision)


def _opened_encoders(
    sources: Sources, device: str, findings: list[Finding]
) -> Iterator[tuple[str, tuple[str, Encoder]]]:
    """Each encoder with its source, which is "" for those that need no checkpoint."""
    needed = chosen_encoders(Path(), sources.encoders, None)
    free = {name: "" for name, reader in encoder_readers().items() if not reader.checkpoint}
    for name, source in {**needed, **free}.items():
        try:
            yield name, (source, encoder_reader(name).open(source, device))
        except ModelError as problem:
            findings.append(Finding(str(problem), refused=name in sources.encoders))


def _planned(
    options: Mapping[str, int | None],
    sources: Sources,
    model: DiffusionModel,
    training_set: TrainingSet,
    encoders: Mapping[str, tuple[str, Encoder]],
    device: str,
) -> list[Planned]:
    """What all jobs would do in the workspace that would be made."""
    opened = {name: encoder for name, (_, encoder) in encoders.items()}
    planned = []
    with tempfile.TemporaryDirectory() as folder:
        config = Config(
            str(sources.model),
            stored_source(Path(folder), sources.dataset or ""),
            {name: source for name, (source, _) in encoders.items() if source},
            checked_probe(chosen_probe(sources, None)(model.num_train_timesteps)),
            model.resolution,
            {},
            model.latent_shape,
            checkpoints=dict(sources.checkpoints),
            preparation=chosen_preparation(Path(), sources, None),
        )
        workspace = Workspace(Path(folder), config, device, model, opened, training_set)
        pace = measured_pace(model, opened, training_set.captions[0])
        jobs = [with_options(job, options) for job in jobs_in(workspace, jobs_of("all"))]
        for first, *others in passes(jobs):
            planned.append(_plan_of(first, workspace, pace))
            within = planned[-1].artifact
            planned += (
                replace(_plan_of(job, workspace, pace), seconds=0.0, within=within) for job in others
            )
    return planned


def _plan_of(job: Job, workspace: Workspace, pace: Pace) -> Planned:
    rows, work = job.count(workspace), job.work(workspace)
    seconds = 0.0 if work == Work() else rows * pace.seconds(work)
    return Planned(job.kind.folder, rows, job.unit, seconds, work.stored, MOST_AT_ONCE * work.sums)


def _model_facts(model: DiffusionModel, sources: Sources) -> Iterator[tuple[str, str]]:
    source, adapters = sources.model or "", chosen_adapters(Path(), sources, None)
    channels, height, width = model.latent_shape
    weights = sum(weight.numel() for weight in model.weights.values())
    yield "model", f"{_class_of(source)} at {source}"
    if adapters:
        files = (f"{each.path.name} ({each.kind.title})" for each in named_adapters(adapters))
        yield "adapters", ", ".join(files)
    yield "loss", f"{model.parametrisation.fingerprint} (what is predicted, and the weight in training)"
    yield "layers", f"{model.layers}: {len(model.weights)} matrices, {weights:,} weights"
    yield "resolution", f"{model.resolution} pixels, a latent of {channels} x {height} x {width}"
    yield "precision", f"{chosen_precision(sources, None).name}, losses and what is unlearned in in fp32"
    yield "timesteps", f"{model.num_train_timesteps:,}"


def _class_of(source: str) -> str:
    """The pipeline's own word for itself."""
    try:
        index = json.loads((Path(source) / "model_index.json").read_text(encoding="utf-8"))
        return str(index["_class_name"])
    except (OSError, ValueError, LookupError, TypeError):
        return "a model"


def _training_set_facts(training_set: TrainingSet) -> dict[str, str]:
    pictures = Counter(example.sha256 for example in training_set.examples)
    captions = set(training_set.captions)
    longest, most = max(len(caption.split()) for caption in captions), training_set.most_captions
    several = f"; a loss is the mean over up to {most} of a picture" if most > 1 else ""
    return {
        "images": f"{len(training_set):,} in {training_set.where}, {len(pictures):,} different files",
        "captions": f"{len(captions):,} different ones, of up to {longest:,} words{several}",
    }


def _nonsense(model: DiffusionModel | None, training_set: TrainingSet) -> Iterator[Finding]:
    """What no model could be traced to."""
    if len(training_set) == 1:
        yield Finding("there is one image: an answer ranks many, so bring the others", refused=True)
    elif len(set(training_set.captions)) == 1:
        yield _captions_alike(model, training_set.captions[0])
    first: dict[str, str] = {}
    copies = []
    for example in training_set.examples:
        original = first.setdefault(example.sha256, example.id)
        if original != example.id:
            copies.append(f"{example.id} is {original}")
    if copies:
        named = ", ".join(copies[:NAMED]) + (", ..." if len(copies) > NAMED else "")
        count = f"{len(copies):,} picture{'s are copies' if len(copies) > 1 else ' is a copy'}"
        yield Finding(f"{count} of another ({named}): copies share what they are credited with", False)


def _captions_alike(model: DiffusionModel | None, caption: str) -> Finding:
    """Nonsense, but for a model that is told none."""
    alike = f"all captions are alike ({caption[:60]!r})"
    if model is not None and model.encode_captions([caption]).is_nothing:
        return Finding(
            f"{alike}, as they may be, for this model is told none: it is asked with pictures; what "
            "compares captions (bm25, clip-text) scores all alike, and every control picture counts as "
            "unrelated to every image",
            refused=False,
        )
    return Finding(
        f"{alike}: nothing is unrelated to anything, so no score can be judged; give each picture the "
        "caption that it was trained with",
        refused=True,
    )


def _cut_captions(model: DiffusionModel | None, training_set: TrainingSet) -> Iterator[Finding]:
    """Captions of which the model sees the beginning alone; a model without a tokenizer cuts none."""
    tokenizer = getattr(model, "tokenizer", None)
    if tokenizer is None:
        return
    most = int(getattr(model, "caption_tokens", None) or tokenizer.model_max_length)
    captions, cut = training_set.captions, list[int]()
    for start in range(0, len(captions), TOKENIZED):
        found = tokenizer(spelled_out(captions[start : start + TOKENIZED], tokenizer)).input_ids
        cut += [start + place for place, tokens in enumerate(found) if len(tokens) > most]
    if cut:
        named = ", ".join(training_set.ids[row] for row in cut[:NAMED])
        mostly = 2 * len(cut) > len(captions)
        yield Finding(
            f"{len(cut):,} of {len(captions):,} captions are longer than the {most} tokens that the model "
            f"reads, and are cut ({named}{', ...' if len(cut) > NAMED else ''})"
            + (": most of what they say is not what it was trained with; shorten them" if mostly else ""),
            refused=mostly,
        )
