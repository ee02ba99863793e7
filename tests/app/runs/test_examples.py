"""Laws of the example questions."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.runs.archive import RunArchive
from app.runs.examples import ExampleQuestion, answers_of, questions_of, read_examples
from app.views.examples import example_list, kept_example_row
from attribution.errors import WorkspaceError
from attribution.methods.finding import finding_of
from attribution.query import Box
from attribution.workspace.workspace import Workspace
from demo.vocabulary import all_captions
from tests.worlds import EMBEDDED


def test_the_shipped_questions_can_be_asked_of_the_embedded_world() -> None:
    questions = read_examples(EMBEDDED / "examples.json")
    assert len(questions) == 6
    assert {question.prompt for question in questions} <= set(all_captions())
    for question in questions:
        assert question.box is None or question.about.removeprefix("the ") in question.prompt


def test_no_file_is_no_questions_and_a_damaged_one_is_an_error(tmp_path: Path) -> None:
    assert read_examples(tmp_path / "none.json") == ()
    for text, why in (
        ("[", "it is no JSON: EOF"),
        ("[" * 100_000, "it is no JSON: recursion"),
        ('[{"prompt": "a"}]', "question 1 has no 'seed'"),
        ('[{"prompt": "a", "seed": 1}, {"prompt": "b", "seed": "2"}]', "the seed of question 2 is '2'"),
        ('[{"prompt": "a", "seed": 1, "box": [1, 0, 0, 1]}]', "empty or reversed"),
        ("[3]", "question 1 is not an object"),
        ("{}", "it is not a list"),
    ):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(WorkspaceError, match=why) as refused:
            read_examples(tmp_path / "bad.json")
        assert "\n" not in str(refused.value)


def test_questions_are_escaped_and_known_by_their_index() -> None:
    shown = example_list([ExampleQuestion("<b>", 1), ExampleQuestion("b", 2, Box(0, 0, 1, 1), "the <i>")])
    assert "<b>" not in shown
    assert "<i>" not in shown
    assert 'data-index="1"' in shown


def test_the_kept_answers_of_the_embedded_world_are_of_its_questions(tmp_path: Path) -> None:
    """Law: Every example of the embedded world opens a kept answer of its own question, with a sentence."""
    workspace = Workspace.open(EMBEDDED / "workspace")
    archive = RunArchive(tmp_path, workspace, examples=answers_of(workspace.folder))
    questions = read_examples(questions_of(workspace.folder))
    for question in questions:
        run = archive.read(question.run_id)
        assert (run.caption, run.picture.made["seed"]) == (question.prompt, question.seed)
        assert run.parts[0].query.box == question.box
        assert finding_of(run.parts[0].rankings) is not None
    assert kept_example_row(archive, questions).count("data-run=") == len(questions)
    other = RunArchive(tmp_path, workspace)  # without them there is nothing to press
    assert kept_example_row(other, questions) == ""


def test_a_question_keeps_its_link_and_another_has_another() -> None:
    one = ExampleQuestion("a cat", 1, Box(0, 0, 0.5, 1), "the cat")
    assert one.run_id == ExampleQuestion("a cat", 1, Box(0, 0, 0.5, 1)).run_id
    assert len({one.run_id, ExampleQuestion("a cat", 1).run_id, ExampleQuestion("a cat", 2).run_id}) == 3
