"""Laws of docs/EVIDENCE.md."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from attribution.analysis.evidence import FILE
from attribution.rng import generator
from evaluation.retraining import goals, leads
from evaluation.retraining.arguments import COMMITTED, DOCUMENT
from evaluation.retraining.attributions import Attributions, questions_of
from evaluation.retraining.document import IN_BRIEF, NOT_YET, evidence_document, in_brief
from evaluation.retraining.effects import GONE, union_lines
from evaluation.retraining.evidence import Evidence, made_on
from evaluation.retraining.halves import chosen, held_out
from evaluation.retraining.job import Job, Plan
from evaluation.retraining.lds import lds_lines, reliability
from evaluation.retraining.objects import named
from evaluation.retraining.panel import REGIONS, Panel
from evaluation.retraining.plans import KINDS, Choices, Planner
from evaluation.retraining.proof_lines import answers_of, proof_lines
from evaluation.retraining.proofs import Proof, Shown
from evaluation.retraining.quoted import quoted
from evaluation.retraining.recipe import Recipe
from evaluation.retraining.records import FORMAT, Record
from evaluation.retraining.rounding import trained_twice
from evaluation.retraining.sections import SECTIONS
from evaluation.retraining.singles import curves_of
from evaluation.retraining.varied import varied_lines
from tests.worlds import ROOT

IMAGES = 96
SEEN = 0.88  # what is left of an object that the pretended judge still names


def influences(panel: Panel) -> np.ndarray:
    """What each image is worth to each picture in this pretended world, its left half and its right."""
    shape = (len(panel.pictures), 2, IMAGES)
    return generator(0, "pretended influence").exponential(0.01, shape)


def pretended(plan: Plan, job: Job, panel: Panel) -> Record:
    """The record of a model whose losses are sums of known influences, and a little luck of its own."""
    gone = influences(panel) @ job.left_out.mask(IMAGES).astype(float)
    luck = 0.002 * generator(job.seed, "luck", job.left_out.sha256).standard_normal(gone.shape)
    halves = 1 + gone + luck
    by_region = {"whole": halves.mean(axis=1), "left": halves[:, 0], "right": halves[:, 1]}
    draws = 1 + 0.001 * np.arange(panel.facts.noises)
    losses = {region: (by_region[region][:, None] * draws).tolist() for region in REGIONS}
    left = [float(p) for p in np.exp(-gone[:, 0])]
    seen = [p.left if share > SEEN else "nothing" for p, share in zip(panel.pictures, left, strict=True)]
    judged = {"left": left, "right": left, "said-left": seen}
    judged["said-right"] = ["nothing" for _ in panel.pictures]
    likeness = {"mse": gone.mean(axis=1).tolist(), "clip": left}
    shown = (likeness, judged) if plan.pictures else ({}, {})
    device = "cuda" if plan.name == "rounding" else "cpu"
    made_with = {"cpu_seconds": 60.0, "trained_on": device}
    return Record(FORMAT, plan.key(job), plan.described(job), losses, *shown, made_with)


@pytest.fixture(scope="module")
def evidence(
    small_recipe: Path, small_panel: Path, panel: Panel, tmp_path_factory: pytest.TempPathFactory
) -> Evidence:
    """Everything recorded, in a world whose influences one method knows and another does not."""
    tmp_path = tmp_path_factory.mktemp("evidence")
    shutil.copytree(small_panel, tmp_path / "panels" / "small")
    questions = questions_of(panel, boxed=True)
    of_side = {"whole": influences(panel).sum(axis=1), "left": influences(panel)[:, 0]}
    of_side["right"] = influences(panel)[:, 1]
    rows = {picture.name: row for row, picture in enumerate(panel.pictures)}
    known = np.stack([of_side[q.region][rows[q.picture.name]] for q in questions])
    guessed = generator(0, "guess").random(known.shape)
    for method, scores in (("knowing", known), ("guessing", guessed)):
        for name in ("reference", "shipped"):
            first = np.argsort(-scores, axis=1, kind="stable")
            keys = tuple(question.key for question in questions)
            made = Attributions(method, panel.digest, panel.facts.training_set, "m", keys, scores, first)
            made.write(tmp_path / "attributions" / name)
        way = "default" if method == "knowing" else "damping 1"
        whole = {q.key: scores[n] for n, q in enumerate(questions) if q.region == "whole"}
        said = Attributions(
            f"{way}, relative divergence", panel.digest, panel.facts.training_set, "m", tuple(whole),
            np.stack([*whole.values()]), first[: len(whole)],
        )  # fmt: skip
        said.write(tmp_path / "variants", way)
        moved = known if method == "knowing" else np.zeros_like(known)
        of_targets = [(q.picture.name, row.max()) for q, row in zip(questions, moved, strict=True)][:2]
        shown = tuple(Shown(name, 0.0, 0.1, value, 0.001, 1.0, name) for name, value in of_targets)
        Proof(method, panel.digest, "m", 2, shown, ()).write(tmp_path / "proofs")
    random = tuple(Shown(f"target-0{k}", 0.0, 0.1, 0.01, 0.001, 1.0, "") for k in (0, 1, 0, 1))
    Proof("chance", panel.digest, "m", 2, random, ()).write(tmp_path / "proofs")
    choices = Choices(
        small_recipe, small_panel, tmp_path / "attributions" / "reference", None, (2, 3), 4, 3, 2, 30, 10
    )
    found = Evidence(tmp_path)
    for make in KINDS.values():
        plan = make(Planner(choices))
        plan.write(tmp_path / "plans" / f"{plan.name}.json")
        for job in plan.jobs:
            found.records.write(pretended(plan, job, panel))
    return found


def test_what_is_not_recorded_is_said_to_be_not_measured(tmp_path: Path) -> None:
    """Law: Where there is no record, the evidence says that it is not measured yet."""
    text, charts = evidence_document(Evidence(tmp_path))
    assert text.count(NOT_YET) == 2 * len(SECTIONS)
    assert charts == {}


def test_all_sections_are_written_of_what_is_recorded(evidence: Evidence) -> None:
    text, charts = evidence_document(evidence)
    assert NOT_YET not in text
    assert set(charts) == {"union-2.svg", "union-3.svg", "lds.svg"} | {
        f"single-target-0{n}.svg" for n in range(2)
    }
    assert all(f"evaluation/retraining/{name}" in text for name in charts)
    assert "nan" not in text
    knowing = [line for line in text.splitlines() if line.startswith("| `knowing`")]
    guessing = [line for line in text.splitlines() if line.startswith("| `guessing`")]
    # at a glance, agreement, losses and pictures of two K of unions, two of boxes, two single pictures, LDS
    assert len(knowing) == len(guessing) == 11
    scores = text[text.index("| method | LDS") :]
    best, worst = [line for line in scores.splitlines() if line.startswith("| `")][:2]
    assert best.startswith("| `knowing` | 0.9")
    assert worst.startswith("| `guessing` | 0.1")


def test_a_single_picture_loses_more_than_the_others_without_what_it_came_from(evidence: Evidence) -> None:
    """Law: Without the images that a picture came from its loss rises more than by luck or by chance."""
    series = evidence.main
    assert series is not None
    for picture in ("target-00", "target-01"):
        by = {curve.method: curve for curve in curves_of(series, picture)}
        beyond = {method: curve.rises[3] - curve.others[3][0] for method, curve in by.items()}
        assert beyond["knowing"] > 2 * max(abs(beyond["guessing"]), abs(beyond["chance"])), beyond


def test_the_evidence_knows_who_knows(evidence: Evidence) -> None:
    """Law: In a world of known influences, the evidence puts the method that knows them first."""
    from evaluation.retraining.contrasts import boxed_lines

    series = evidence.main
    assert series is not None
    methods = evidence.attributions("reference", series.panel)
    first, second = lds_lines(series, methods)
    assert (first.method, second.method) == ("knowing", "guessing")
    assert first.score > 0.8 > 0.4 > abs(second.score)
    sure = reliability(series)
    assert sure is not None
    assert 0.8 < sure.ceiling <= 1
    effects = {(x.method, x.k): x.targets["loss"] for x in union_lines(series)}
    for k in (2, 3):
        assert effects["knowing", k].value > effects["guessing", k].value
        assert (effects["knowing", k].interval or (0, 0))[0] > 0
    gone = {(x.method, x.k): x.targets[GONE].value for x in union_lines(series)}
    assert gone["knowing", 3] > gone["guessing", 3]
    assert gone["knowing", 3] > 0
    boxed = {(x.method, x.k): x for x in boxed_lines(series)}
    knowing, guessing = boxed["knowing", 3], boxed["guessing", 3]
    assert knowing.contrast > guessing.contrast
    assert (knowing.verdict, knowing.same) == ("selective", False)
    assert knowing.gone is not None
    assert knowing.gone > 0  # the judge sees left objects alone: gone when asked about, there when not


def test_a_way_of_scoring_is_chosen_on_one_half_and_held_on_the_other(evidence: Evidence) -> None:
    """Law: Ways of scoring are ordered by one half of the pictures and reported on the other."""
    series = evidence.main
    assert series is not None
    found = evidence.variants(series.panel)
    knowing, guessing = found["default"].scores, found["damping 1"].scores
    scores = np.where((np.arange(len(knowing)) % 2 == 0)[:, None], knowing, guessing)
    fickle = replace(found["default"], method="fickle", scores=scores * np.array([2.0]))
    usual, other, worst = varied_lines(series, {**found, "fickle": fickle})
    assert [usual.name, other.name] == ["default, relative divergence", "fickle"]
    assert other.chosen_on == pytest.approx(usual.chosen_on)  # a unit changes nothing
    assert usual.held_on > 0.8 > 0.5 > max(other.held_on, worst.held_on, worst.chosen_on)
    assert usual.ahead is None
    for line in (other, worst):
        assert line.ahead is not None
        assert line.ahead[0] == pytest.approx(line.held_on - usual.held_on)
        assert line.ahead[1][1] < 0
        assert line.p is not None
        assert line.p < 0.05
    lines = {line.method: line for line in lds_lines(series, evidence.scores_of_all(series.panel))}
    assert np.mean([usual.chosen_on, usual.held_on]) == pytest.approx(lines["knowing"].score)
    broken = replace(found["damping 1"], scores=np.full_like(guessing, np.nan))
    assert [x.name for x in varied_lines(series, {**found, "damping 1": broken})] == [usual.name]


def test_what_is_quoted_is_what_the_tables_say(evidence: Evidence, tmp_path: Path) -> None:
    """Law: The figures that are quoted beside answers are those of the evidence's tables."""
    found, series = quoted(evidence), evidence.main
    assert found is not None
    assert series is not None
    assert set(found.methods) == {"knowing", "guessing"}
    assert (found.k, found.targets, set(found.models)) == (2, 2, {series.panel.facts.model, "m"})
    removed = {line.method: line.targets["loss"].value for line in union_lines(series) if line.k == 2}
    for name in found.methods:
        told = found.of(name)
        assert told.removal is not None
        assert told.removal.value == pytest.approx(removed[name], abs=1e-6)
        assert told.removal.low <= told.removal.value <= told.removal.high
        assert None not in (told.controls, told.boxed, told.lds)
    assert quoted(Evidence(tmp_path)) is None


def test_what_one_half_of_the_targets_chose_is_held_against_the_other(evidence: Evidence) -> None:
    """Law: A method that is best on one half of the targets is reported by its effect on the other half."""
    effects = {"even": {"fickle": 0.9, "steady": 0.5}, "odd": {"fickle": 0.1, "steady": 0.4}}
    fickle, steady = chosen(7, effects)
    assert (fickle.method, fickle.first, fickle.effect, fickle.place) == ("fickle", 0.9, 0.1, 2)
    assert (steady.method, steady.first, steady.effect, steady.place) == ("steady", 0.4, 0.5, 2)
    assert (fickle.chosen_on, fickle.held_on, steady.chosen_on) == ("even", "odd", "odd")
    series = evidence.main
    assert series is not None
    for k in (2, 3):
        lines = held_out(series, k)
        assert [(x.method, x.chosen_on) for x in lines] == [("knowing", "even"), ("knowing", "odd")]
        (whole,) = (x.targets["loss"] for x in union_lines(series) if (x.method, x.k) == ("knowing", k))
        assert np.mean([x.effect for x in lines]) == pytest.approx(whole.value)  # two targets


def test_what_was_trained_again_is_no_further_draw_of_chance(evidence: Evidence) -> None:
    """Law: A training on another device is held against the first one, and counts nowhere else."""
    series = evidence.main
    assert series is not None
    assert len(series.chance(2)) == 4
    twice = trained_twice(evidence)
    assert [made_on(each.first) for each in twice] == ["cpu"] * len(twice)
    assert [made_on(each.second) for each in twice] == ["cuda"] * len(twice)
    assert len(twice) == 1 + 2 * (4 + 3)  # nothing; for each K four by chance, the oracle, two methods
    assert all(np.allclose(each.apart, 0) for each in twice)  # no rounding in this world


def test_an_object_that_has_changed_sides_is_not_gone(evidence: Evidence, panel: Panel) -> None:
    """Law: An object is gone from a picture made again if the judge finds it on neither side."""
    series = evidence.main
    assert series is not None
    record = series.references[0]
    pictures = len(panel.pictures)
    left, right = ([getattr(picture, side) for picture in panel.pictures] for side in ("left", "right"))
    for seen, expected in (((left, right), (1, 1)), ((right, left), (1, 1)), ((right, right), (0, 1))):
        verdicts: dict[str, list[str]] = dict(zip(("said-left", "said-right"), seen, strict=True))
        found = named(replace(record, verdicts=verdicts), panel)
        assert found is not None
        assert (found == np.tile(expected, (pictures, 1))).all()
    assert named(replace(record, verdicts={}), panel) is None


def test_a_test_that_knows_is_agreed_with_by_retraining(evidence: Evidence) -> None:
    series = evidence.main
    assert series is not None
    answers = answers_of(series, evidence.proofs(series.panel))
    assert len(answers) == 4
    moved = {line.figure: line for line in proof_lines(answers)}["change of the predictions"]
    assert moved.borne_out == 0.5
    assert moved.agreed == 1.0


def test_a_goal_is_met_by_a_method_that_knows_and_missed_by_one_that_guesses(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: Of each goal it is said whether it came true, or that it was not measured."""
    for default, rival, met in (("knowing", "guessing", True), ("guessing", "knowing", False)):
        monkeypatch.setattr(goals, "DEFAULT", default)
        monkeypatch.setattr(leads, "DEFAULT", default)
        monkeypatch.setattr(goals, "RIVALS", (rival,))
        series = evidence.main
        assert series is not None
        found = [check(evidence, series) for check in goals.GOALS.values()]
        ahead, _, datamodel, boxes, _ = (
            each and each.met for each in found
        )  # the oracle knows nothing here
        assert (ahead, datamodel) == (met, met)
        assert not boxes or met  # two pictures tell sides apart seldom
    monkeypatch.undo()
    nothing = goals.goals(evidence)
    assert nothing is not None
    assert "0 of 5 goals came true. Missed" not in nothing.plainly
    assert "Not measured" in nothing.plainly


def test_half_finished_plans_are_reported_as_far_as_they_are(evidence: Evidence, tmp_path: Path) -> None:
    """Law: A report can be written at any moment, whatever is recorded by then."""
    part = Evidence(Path(shutil.copytree(evidence.folder, tmp_path / "part")))
    paths = sorted(part.records.folder.glob("*.json"))
    for count in (len(paths) // 2, len(paths) // 5, 3, 1):
        for path in paths[count:]:
            path.unlink(missing_ok=True)
        text, _ = evidence_document(Evidence(part.folder))
        quoted(Evidence(part.folder))
        assert "nan" not in text


def test_the_committed_evidence_is_what_the_records_say() -> None:
    """Law: What docs/EVIDENCE.md and the README say of retraining is what is written of the records."""
    text, charts = evidence_document(Evidence(ROOT / COMMITTED))
    assert (ROOT / DOCUMENT).read_text(encoding="utf-8") == text
    for name, chart in charts.items():
        assert (ROOT / COMMITTED / name).read_text(encoding="utf-8") == chart
    brief = in_brief(text)
    assert brief in (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(IN_BRIEF) <= {section.title for section in SECTIONS}
    assert brief.count("\n- **") == len(IN_BRIEF)
    assert brief.startswith("| method |")


def test_committed_plans_are_of_the_files_beside_them() -> None:
    """Law: Every committed plan is of the recipe, the panel and the training set that are committed."""
    plans = Evidence(ROOT / COMMITTED).plans
    assert plans
    for plan in plans:
        assert Recipe.read(ROOT / plan.recipe).digest == plan.recipe_digest
        panel = Panel.read(ROOT / plan.panel)
        assert (panel.digest, panel.facts.training_set) == (plan.panel_digest, plan.training_set)


def test_what_the_embedded_world_quotes_is_what_the_records_say() -> None:
    """Law: What is quoted of the embedded world's methods is what the committed records say."""
    found = quoted(Evidence(ROOT / COMMITTED))
    assert found is not None
    assert (ROOT / "assets/demo/workspace" / FILE).read_text(encoding="utf-8") == found.to_json()
