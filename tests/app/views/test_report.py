"""Laws of the report and of the files to take away. No browser: they are functions of a run."""

from __future__ import annotations

import base64
import csv
import html
import io
import json
import platform
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from app.runs.archive import RunArchive
from app.runs.export import write_csv, write_json, write_picture
from app.runs.run import Run
from app.views.report import SHOWN, command_line, report
from app.views.report_limits import limits
from app.views.scores import lines_of
from attribution.__main__ import main
from attribution.analysis.groups import first_shares
from attribution.data.images import read_image
from attribution.methods.finding import finding_of, summary
from attribution.query import Settings
from attribution.serialization import to_json
from attribution.workspace.workspace import Workspace
from cli.version import version
from tests.worlds import TINY
from tests.worlds.answers import CAPTION, LEFT, RIGHT, answered_run, with_captions
from tests.worlds.markup import Reader

HOSTILE = '</title></style><script>alert(1)</script><img src=x onerror="alert(1)"> ${1} \' & "'


@pytest.fixture(scope="module")
def run(tiny_world: Workspace) -> Run:
    return answered_run(tiny_world, (LEFT, RIGHT), methods=("first-order", "clip", "pixel"))


@pytest.fixture(scope="module")
def page(run: Run, tiny_world: Workspace) -> str:
    return report(run, tiny_world)


# The report


def test_the_report_is_well_formed_and_holds_everything_itself(page: str) -> None:
    """Law: A report is well-formed and holds everything itself."""
    reader = Reader(page)
    assert reader.open == []
    assert not {"script", "link", "iframe", "object", "form", "base"} & set(reader.tags)
    assert all(address.startswith("data:") for address in reader.addresses)
    assert "url(" not in page
    assert "default-src 'none'" in page


def test_every_part_and_method_has_its_first_ranks(page: str, run: Run) -> None:
    articles = page.split("<article>")[1:]
    assert len(articles) == 2 * 3
    told = [ranking for part in run.parts for ranking in part.rankings.values()]
    for article, ranking in zip(articles, told, strict=True):
        assert html.escape(ranking.title) in article
        lines = lines_of(ranking, SHOWN)
        shown = re.findall(r'class="id">([^<]*)<', article)
        assert shown[: len(lines.sure) + len(lines.unsure)] == [e.id for e in lines.sure + lines.unsure]
    assert page.count('class="picture-box"') == 2


def test_scores_have_their_errors_and_verdicts(page: str, run: Run) -> None:
    first = run.parts[0].rankings["first-order"]
    article = page.split("<article>")[1]
    lines = lines_of(first, SHOWN)
    judged = [first.stands_out(entry) for entry in lines.sure + lines.unsure]
    assert article.count("✦ stands out") == sum(map(bool, judged))
    assert ("z " in article) == any(one is not None for one in judged)


def test_settings_fingerprints_and_date_are_there(page: str, run: Run, tiny_world: Workspace) -> None:
    for text in (
        *tiny_world.fingerprints.values(),
        run.id,
        "UTC",
        "First order, target rise",
        "batch size",
        CAPTION,
    ):
        assert text in page
    assert "<dt>± standard error</dt>" in page
    assert "not proof" in page or "proof of copying" in page


def test_a_warning_is_said(run: Run, tiny_world: Workspace) -> None:
    answer = run.parts[0].attribution
    assert answer is not None
    doubtful = run.with_part(0, attribution=replace(answer, warnings=("no caption has <this>",)))
    assert "No caption has &lt;this&gt;" in report(doubtful, tiny_world)


def test_the_report_says_what_was_asked_of_what_and_by_what(
    page: str, run: Run, tiny_world: Workspace, tmp_path: Path
) -> None:
    """Law: A report names model, training set, version, date and machine: those that answered."""
    words = Reader(page).texts
    assert f"tiny, {tiny_world.resolution} × {tiny_world.resolution}" in words
    assert f"scenes, {len(tiny_world.training_set)} images" in words
    assert any(f"with Whence {version()} on {platform.system()}" in text for text in words)
    archive = RunArchive(tmp_path, tiny_world)
    archive.keep(replace(run, made_with={"Whence": "0.0.9", "Machine": "another machine"}))
    assert "with Whence 0.0.9 on another machine." in report(archive.read(run.id), tiny_world)


def test_the_report_says_where_the_picture_came_from(
    run: Run, tiny_world: Workspace, tmp_path: Path
) -> None:
    """Law: A report says of a training image that was asked about that it is one, and which."""
    archive = RunArchive(tmp_path, tiny_world)
    asked = {
        "training image train-00003": {"training_image": "train-00003"},
        "a training image of this set": {},
        "generated on the page": run.picture.made,
    }
    for number, (words, made) in enumerate(asked.items()):
        kept = replace(run, picture=replace(run.picture, made=made), id=f"{number:016}")
        archive.keep(kept)
        assert words in Reader(report(archive.read(kept.id), tiny_world)).texts


def test_an_image_has_its_further_columns_and_groups_the_share_of_the_training_set(
    page: str, run: Run, tiny_world: Workspace
) -> None:
    training_set, first = tiny_world.training_set, run.parts[0].rankings["first-order"]
    cell = page.split("<li>")[1:]
    example = training_set.examples[lines_of(first, SHOWN).sure[0].row]
    assert any(example.id in part and str(example.metadata["collection"]) in part for part in cell)
    for share in first_shares(first, training_set, "collection")[:1]:
        interval = f"<td>{share.low:.0%} to {share.high:.0%}</td>"
        row = f"<td>{share.first} of 20</td>{interval}<td>{share.base:.1%}</td>"
        assert f'<th scope="row">{html.escape(share.value)}</th>{row}' in page


def test_the_limits_are_those_of_this_answer(run: Run) -> None:
    """Law: A report says what its own answer does not show: what is unsure, unranked or untested."""
    said = " ".join(limits(run, None, SHOWN))
    assert "Part A: by First order" in said
    assert "By retraining, nothing is known of First order" in said
    assert "not put to the test" in said
    clip = run.parts[0].rankings["clip"]
    few = {"clip": replace(clip, rows=clip.rows[:5], scores=clip.scores[:5])}
    bare = replace(run, parts=(replace(run.parts[0], rankings=few),))
    said = " ".join(limits(bare, None, SHOWN))
    assert "Whether anything stands out of chance was not asked" in said
    assert "CLIP image ranked 5 of 96 training images" in said


def test_hostile_captions_are_text(run: Run, tiny_world: Workspace, page: str) -> None:
    attacked = report(with_captions(run, HOSTILE), tiny_world)
    assert HOSTILE in Reader(attacked).texts
    assert Reader(attacked).tags == Reader(page).tags


def test_no_path_of_the_server_is_in_the_report(page: str, tiny_world: Workspace) -> None:
    for folder in (tiny_world.folder, tiny_world.training_set.folder, Path.home(), Path.cwd()):
        assert str(folder.resolve()) not in page


# The same again


def ranked(path: Path) -> dict[str, list[tuple[str, float]]]:
    methods = json.loads(path.read_text())["methods"]
    return {
        name: [(line["id"], line["score"]) for line in each["ranking"]] for name, each in methods.items()
    }


def expected(run: Run, number: int) -> dict[str, list[tuple[str, float]]]:
    rankings = run.parts[number].rankings
    return {name: [(e.id, e.score) for e in each.entries] for name, each in rankings.items()}


@pytest.mark.parametrize("generated", [True, False])
def test_the_command_line_gives_the_same_answer(
    tiny_world: Workspace, tmp_path: Path, generated: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law: The command that a report names gives the same answer."""
    run = answered_run(tiny_world, (LEFT, RIGHT), generated=generated)
    page = report(run, tiny_world)
    saved = re.search(r'download="PICTURE.png" href="data:image/png;base64,([^"]*)"', page)
    assert saved is not None
    (tmp_path / "PICTURE.png").write_bytes(base64.b64decode(saved[1]))
    commands = re.findall("<pre>(.*?)</pre>", page)
    assert len(commands) == len(run.parts)
    for number, command in enumerate(commands):
        words = shlex.split(html.unescape(command))
        assert words[:3] == ["python", "-m", "attribution"]
        places = {"PICTURE.png": str(tmp_path / "PICTURE.png"), "WORKSPACE": str(TINY / "workspace")}
        arguments = [places.get(word, word) for word in words[3:]]
        assert main([*arguments, "--json", str(tmp_path / "out.json")]) == 0
        capsys.readouterr()
        assert ranked(tmp_path / "out.json") == expected(run, number)


def test_a_picture_made_with_the_seed_of_the_draws_is_made_again(tiny_world: Workspace) -> None:
    run = answered_run(tiny_world, (LEFT,), settings=Settings(seed=7, effort="instant"))
    words = shlex.split(command_line(run, run.parts[0]))
    assert words[words.index("--prompt") + 1] == CAPTION
    assert words[words.index("--seed") + 1] == "7"
    assert words[words.index("--steps") + 1] == "30"
    assert words[words.index("--box") + 1 :][:4] == ["0", "0.25", "0.5", "1"]


def test_the_report_begins_with_what_each_part_has_found(run: Run, page: str) -> None:
    """Law: A report begins with the sentence that says what each part's answer has found."""
    head = page[: page.index("The limits of this answer")]
    for part in run.parts:
        found = finding_of(part.rankings)
        assert found is not None
        assert html.escape(found.sentence) in head
        assert f"<b>{part.title}</b>" in head


# JSON, CSV and PNG


def test_several_parts_are_several_answers_in_one_file(run: Run) -> None:
    whole = json.loads(write_json(run).read_text())
    answers = [part.attribution for part in run.parts]
    assert whole["parts"] == [
        json.loads(json.dumps({"summary": summary(answer.rankings), **to_json(answer)}))
        for answer in answers
        if answer
    ]
    tables = write_csv(run).read_text().split("# caption: ")[1:]
    assert len(tables) == 2
    for table, part in zip(tables, run.parts, strict=True):
        lines = csv.DictReader(line for line in io.StringIO(table) if not line.startswith(("#", CAPTION)))
        ids = [line["id"] for line in lines if line["method"] == "pixel"]
        assert ids == [entry.id for entry in part.rankings["pixel"].entries]


def test_a_saved_picture_carries_its_boxes(run: Run) -> None:
    path = write_picture(run.picture, (LEFT, RIGHT))
    image, settings = read_image(path)
    assert image.tobytes() == run.picture.image.tobytes()
    assert settings["boxes"] == [[0, 0.25, 0.5, 1], [0.5, 0.25, 1, 1]]
    assert settings["prompt"] == CAPTION
    assert "boxes" not in read_image(write_picture(run.picture))[1]
