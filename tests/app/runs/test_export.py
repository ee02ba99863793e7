"""Laws of the files to take away."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest

from app.runs.export import name_of, write_csv, write_json, write_picture
from app.runs.run import Part, Picture, Run
from attribution.data.images import read_image
from attribution.query import Query, Settings
from attribution.results import Attribution, Entry
from tests.worlds.answers import solid
from tests.worlds.rankings import ranking_of

WHITE = solid("white")


def answer(caption: str) -> Run:
    entry = Entry(1, "id", 0, "id.png", "a dog", 1.5, 0.1)
    ranked = ranking_of((entry,), "abu", title="AbU", seconds=1.0, details={"alpha": 2.0})
    whole = Attribution({"caption": caption}, {"seed": 0}, {"model": "m"}, {"abu": ranked})
    part = Part("A", Query(WHITE, caption or "nothing"), {"abu": ranked}, whole)
    return Run(Picture(WHITE, caption), caption, ("abu",), Settings(), (part,))


def test_exports_parse_and_keep_every_digit() -> None:
    written = json.loads(write_json(answer("a dog")).read_text())
    assert written["methods"]["abu"]["ranking"][0]["score"] == 1.5
    text = write_csv(answer("a dog")).read_text()
    (line,) = csv.DictReader(row for row in io.StringIO(text) if not row.startswith("#"))
    assert math.isclose(float(line["stderr"]), 0.1)


@pytest.mark.parametrize("caption", ["../../etc/passwd", "a" * 500, "", "C:\\x\x00", "🐕 & 'quoted'"])
def test_no_caption_leads_a_file_elsewhere(caption: str) -> None:
    assert set(name_of(caption)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(name_of(caption)) <= 70
    assert write_json(answer(caption)).is_file()


def test_a_saved_picture_carries_its_settings() -> None:
    made = {"prompt": "a dog", "seed": 3, "steps": 30, "guidance": 2.0}
    assert read_image(write_picture(Picture(WHITE, "a dog", made)))[1] == made


def test_a_run_is_written_once_while_its_file_is_there() -> None:
    """Law: A file of a run is written once, and again only where it has gone; another run has its own."""
    run, other = answer("a dog"), answer("a dog")
    path = write_json(run)
    assert write_json(run) == path
    assert write_json(other) != path
    before = path.read_bytes()
    path.unlink()
    assert write_json(run).read_bytes() == before
