"""`python -m evaluation retraining ...`: from a recipe to records, a verb a step.

train       one model that leaves nothing out: the reference
panel       fixed pictures of a model, to be measured
attribute   ask methods about a panel, under a workspace
vary        ask other ways of scoring by unlearning, for what retraining says of them
prove       test their answers as the page does
plan        which models are to be trained for which question
run         train and measure what is not recorded; it can be killed at any moment
status      what is recorded, and what is in hand
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attribution.analysis.evidence import FILE
from attribution.data.scanning import scan
from attribution.errors import Cancelled
from attribution.methods.base import method
from attribution.models.base import open_model
from attribution.workspace.root_manifest import record
from attribution.workspace.workspace import Workspace
from evaluation.files import write_whole
from evaluation.reports import update_block
from evaluation.retraining.attributions import ask, read_all
from evaluation.retraining.fleet import Fleet
from evaluation.retraining.job import REFERENCE, Job, Plan
from evaluation.retraining.left_out import LeftOut
from evaluation.retraining.measure import measured
from evaluation.retraining.panel import Panel, Wanted, drawn_prompts, given_prompts, make_panel
from evaluation.retraining.plans import KINDS, Choices, Planner
from evaluation.retraining.proofs import Prover
from evaluation.retraining.recipe import Recipe
from evaluation.retraining.records import Records, cpu_minutes
from evaluation.retraining.report.document import in_brief, write_evidence
from evaluation.retraining.report.evidence import VARIANTS, Evidence
from evaluation.retraining.report.quoted import quoted
from evaluation.retraining.varying import Varying
from evaluation.score_variants import variants_named


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def train(given: argparse.Namespace) -> None:
    """Train a recipe's model with nothing left out, and print its folder. The fleet knows it again."""
    recipe = Recipe.read(given.recipe)
    nothing = LeftOut.of((), recipe.training_set.ids)
    job = Job(given.seed, nothing, {"kind": REFERENCE})
    # Without a panel: a training's key knows of none.
    plan = Plan(recipe.name, "", recipe.digest, "", "", recipe.training_set.fingerprint, False, (job,))
    with _lowly(given.nice):
        print(_fleet(given, keep=True).train(recipe, plan, job))


def panel(given: argparse.Namespace) -> None:
    """Generate targets and controls with a model, and fix the draws of their losses."""
    model = open_model(given.model, given.device)
    wanted = Wanted(
        given.targets,
        given.controls,
        given.timesteps,
        given.noises,
        given.steps,
        given.guidance,
        given.seed,
    )
    training_set = scan(given.dataset)
    chosen = (
        given_prompts(*given.prompts) if given.prompts else drawn_prompts(training_set.examples, wanted)
    )
    for line in make_panel(given.out, model, training_set, wanted, chosen):
        _tell(line)


def attribute(given: argparse.Namespace) -> None:
    """Ask methods about a panel's pictures under a workspace; what is answered is not asked again."""
    for name in given.methods:
        method(name)  # an unknown one is refused before hours of work
    on, workspace = Panel.read(given.panel), Workspace.open(given.workspace, given.device)
    model = workspace.fingerprints["model"][:16]
    work = given.work / "attributions" / f"{on.digest}-{model}" / given.effort
    out = given.folder / "attributions" / given.name
    with _lowly(given.nice):
        for name in given.methods:
            for line in ask(workspace, on, name, out, work, given.boxed, given.effort):
                _tell(line)


def vary(given: argparse.Namespace) -> None:
    """Score all training images by variants of unlearning; what is measured is not measured again."""
    variants = variants_named(given.variants)
    on, workspace = Panel.read(given.panel), Workspace.open(given.workspace, given.device)
    work = given.work / "variants" / f"{on.digest}-{workspace.fingerprints['model'][:16]}"
    with _lowly(given.nice):
        for line in Varying(workspace, on, given.timesteps, work).ask(variants, given.folder / VARIANTS):
            _tell(line)


def plan(given: argparse.Namespace) -> None:
    """Write which models are to be trained for a question. The same files give the same plan."""
    attributions = (
        None if given.attributions is None else given.folder / "attributions" / given.attributions
    )
    choices = Choices(
        given.recipe, given.panel, attributions, None if given.methods is None else tuple(given.methods),
        tuple(given.k), given.chance, given.seeds, given.pictures, given.models, given.again,
    )  # fmt: skip
    made = KINDS[given.kind](Planner(choices))
    path = given.out or given.folder / "plans" / f"{made.name}.json"
    made.write(path)
    trainings = len({made.training_key(job) for job in made.jobs})
    _tell(f"{path}: {trainings} models, of which {_recorded(made, given.folder)} are recorded")


def prove(given: argparse.Namespace) -> None:
    """Unlearn what methods name for a panel's targets, and random sets, as the page tests an answer."""
    on, workspace = Panel.read(given.panel), Workspace.open(given.workspace, given.device)
    found = read_all(given.folder / "attributions" / given.attributions, on, given.methods)
    prover = Prover(workspace, on, given.k, given.controls)
    with _lowly(given.nice):
        for line in prover.prove_chance(given.folder / "proofs"):
            _tell(line)
        for each in found.values():
            for line in prover.prove(each, given.folder / "proofs"):
                _tell(line)


def run(given: argparse.Namespace) -> int:
    """Train and measure what is not recorded yet; exit status 1 where a command failed."""
    plans = [(path, Plan.read(path)) for path in given.plans]
    with _lowly(given.nice):
        fleet = _fleet(given, given.keep, given.measure_on)
        failed = fleet.run(plans, given.workers, _tell, given.together)
    for log in failed:
        _tell(f"failed: {log}")
    return 1 if failed else 0


def status(given: argparse.Namespace) -> None:
    """Say of each plan what is recorded, what is in hand, and about how long the rest takes one worker."""
    fleet = _fleet(given, keep=True)
    for path in given.plans:
        read = Plan.read(path)
        found = fleet.records.of(read)
        hand = sum(fleet.in_hand(read, job) for job in read.jobs)
        left = len({read.key(job) for job in read.jobs}) - len({record.key for _, record in found})
        minutes = cpu_minutes([record for _, record in found])
        time = "" if minutes is None or not left else f", about {left * minutes / 60:.1f} h of one core"
        print(f"{path}: {_recorded(read, given.folder)} recorded, {hand} in hand, {left} to do{time}")


def measure(given: argparse.Namespace) -> None:
    """Measure one job's model and keep its record (what the fleet calls)."""
    read = Plan.read(given.plan)
    model = open_model(given.model, given.device)
    cost = {"cpu_seconds": given.cpu_seconds, "trained_on": given.trained_on or given.device}
    record, sheet = measured(read, read.jobs[given.job], model, cost)
    Records(given.records).write(record, sheet)


def report(given: argparse.Namespace) -> None:
    """Write docs/EVIDENCE.md and its charts from the committed records."""
    evidence = Evidence(given.folder)
    text = write_evidence(evidence, given.out)
    _tell(str(given.out))
    if given.into:
        update_block(given.into, "evidence", in_brief(text))
        _tell(str(given.into))
    found = quoted(evidence) if given.quote else None
    if found is not None:
        path = given.quote / FILE
        write_whole(path, found.to_json().encode())
        record(given.quote, [FILE])
        _tell(str(path))


def _recorded(made: Plan, folder: Path) -> int:
    records = Records(folder / "records")
    return len({key for job in made.jobs if records.has(key := made.key(job))})


def _fleet(given: argparse.Namespace, keep: bool, measured_on: str | None = None) -> Fleet:
    records = Records(given.folder / "records")
    return Fleet(given.work, records, given.device, keep, measured_on=measured_on)


@contextmanager
def _lowly(nice: int) -> Iterator[None]:
    """Low priority, and `kill` as Ctrl-C, for what takes hours in the background."""
    os.nice(max(0, nice - os.nice(0)))

    def cancel(*_: object) -> None:
        raise Cancelled("stopped")

    before = signal.signal(signal.SIGTERM, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


VERBS: dict[str, Callable[[argparse.Namespace], int | None]] = {
    "train": train,
    "panel": panel,
    "attribute": attribute,
    "vary": vary,
    "plan": plan,
    "prove": prove,
    "run": run,
    "status": status,
    "measure": measure,
}
