"""Laws of the locality protocol."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from attribution.errors import SettingsError
from attribution.query import Query
from attribution.workspace.workspace import Workspace
from evaluation.__main__ import main
from evaluation.protocols.locality import LEFT, RIGHT
from tests.worlds import TINY
from tests.worlds.scenes import locality_run


def test_the_boxes_do_not_overlap_and_mirror_each_other() -> None:
    assert LEFT.x1 <= RIGHT.x0
    assert (RIGHT.x0, RIGHT.x1) == pytest.approx((1 - LEFT.x1, 1 - LEFT.x0))
    assert (LEFT.y0, LEFT.y1) == (RIGHT.y0, RIGHT.y1)


def test_locality_tells_a_method_that_sees_the_box_from_one_that_does_not(
    tmp_path: Path, asked_queries: list[Query]
) -> None:
    """Law: Locality tells a method that sees the box from one that does not."""
    run = locality_run(tmp_path)
    list(run.steps())
    report = run.report()
    report.write(tmp_path)
    seer, blind = (report.figures["methods"][name] for name in ("seer", "blind"))
    assert report.figures["base_rate"] == pytest.approx(1 / 3)
    assert seer["boxed_precision"] == 1.0
    assert seer["ratio"] == pytest.approx(3.0)
    assert seer["locality"] == 1.0
    assert seer["ahead"] - blind["ahead"] == pytest.approx(1.0 - blind["boxed_precision"])
    assert 0.0 in (seer["ahead"], blind["ahead"])  # of the first one from itself
    assert blind["locality"] == 0.0
    assert blind["locality_interval"] == (0.0, 0.0)
    assert "| `seer` |" in report.markdown
    assert json.loads((tmp_path / "report.json").read_text())["run"]["model"] == "m"


@pytest.mark.parametrize("whole", [[], ["blind"]])
def test_without_the_whole_picture_the_boxes_give_the_same_figures(
    tmp_path: Path, asked_queries: list[Query], whole: list[str]
) -> None:
    runs = [locality_run(tmp_path / str(named), whole=named) for named in (None, whole)]
    for run in runs:
        list(run.steps())
    everything, boxed = (run.report().figures["methods"] for run in runs)
    assert {key: everything["seer"][key] for key in boxed["seer"]} == boxed["seer"]
    assert "whole_precision" not in boxed["seer"]
    assert (boxed["blind"] == everything["blind"]) == (whole == ["blind"])
    assert "not asked" in runs[1].report().markdown


def test_a_method_that_is_not_asked_at_all_is_not_asked_about_the_whole_picture(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--whole names abu, which --methods does not"):
        list(locality_run(tmp_path, whole=["abu", "seer"]).steps())


@pytest.mark.slow
def test_locality_runs_on_a_real_world_and_writes_its_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document, figures = tmp_path / "document.md", tmp_path / "docs" / "figures.json"
    arguments = ["locality", "--workspace", str(TINY / "workspace"), "--prompts", "1", "--candidates", "30"]
    arguments += ["--top-k", "5", "--steps", "2", "--methods", "pixel", "random"]
    arguments += ["--out", str(tmp_path / "run"), "--document", str(document), "--figures", str(figures)]
    assert main(arguments) == 0
    first = capsys.readouterr()
    assert main(arguments) == 0  # everything is there: nothing is asked, the report is the same
    again = capsys.readouterr()
    assert (again.out, again.err) == (first.out, "")
    told = json.loads(figures.read_text(encoding="utf-8"))
    assert told["run"]["model"] == Workspace.open(TINY / "workspace").fingerprints["model"]
    assert told["candidates"] == 30
    assert "| `random` |" in document.read_text(encoding="utf-8")
