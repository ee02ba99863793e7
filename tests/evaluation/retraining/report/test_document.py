"""Laws of docs/EVIDENCE.md."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from attribution.analysis.evidence import FILE
from attribution.workspace.workspace import Workspace
from evaluation.retraining.arguments import COMMITTED, DOCUMENT
from evaluation.retraining.panel import Panel, given_prompts, make_panel
from evaluation.retraining.recipe import Recipe
from evaluation.retraining.report import goals, leads
from evaluation.retraining.report.document import IN_BRIEF, NOT_YET, evidence_document, in_brief
from evaluation.retraining.report.effects import GONE, union_lines
from evaluation.retraining.report.evidence import Evidence
from evaluation.retraining.report.lds import lds_lines, reliability
from evaluation.retraining.report.proof_lines import answers_of, proof_lines
from evaluation.retraining.report.quoted import quoted
from evaluation.retraining.report.sections import SECTIONS
from tests.evaluation.retraining.conftest import SMALL, everything
from tests.worlds import ROOT


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


def test_evidence_of_prompts_that_were_given_knows_who_knows_too(
    small_recipe: Path, tiny_world: Workspace, tmp_path: Path
) -> None:
    """Law: Without known objects the evidence still tells methods apart, by chance alone."""
    for name, prompts in (("targets.txt", "a duck\na bus\n"), ("controls.txt", "a road\na hill\n")):
        (tmp_path / name).write_text(prompts)
    chosen = given_prompts(tmp_path / "targets.txt", tmp_path / "controls.txt")
    own = tmp_path / "mine"
    list(make_panel(own, tiny_world.model, tiny_world.training_set, SMALL, chosen))
    kinds = ("references", "union", "repeats", "single", "lds", "rounding")
    found = everything(tmp_path / "evidence", small_recipe, own, kinds)
    text, _ = evidence_document(found)
    first = text[text.index("## At a glance") :].splitlines()[2:6]
    assert first[0] == "| method | without its 4 | without its 6 | LDS |"
    assert [line.split(" | ")[0] for line in first[2:]] == ["| `knowing`", "| `guessing`"]
    assert "of prompts that were given" in text
    assert "*oracle* |" not in text
    assert "nan" not in text
    assert quoted(found) is not None


def test_the_evidence_knows_who_knows(evidence: Evidence) -> None:
    """Law: In a world of known influences, the evidence puts the method that knows them first."""
    from evaluation.retraining.report.contrasts import boxed_lines

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
