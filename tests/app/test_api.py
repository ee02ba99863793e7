"""Laws of the endpoints for programs, called without a server."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from app.api import Endpoints
from app.events.context import PageContext


@pytest.fixture
def endpoints(page: PageContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Endpoints:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return Endpoints(page)


def sent(picture: Any, folder: Path) -> Any:
    """A picture that was given out, as a program would send it back."""
    to = folder / ("a" * 64) / "picture.png"
    to.parent.mkdir()
    shutil.copy(picture.path, to)
    return {"path": str(to)}


def test_a_program_makes_a_picture_asks_about_it_and_reads_its_answer_again(
    endpoints: Endpoints, tmp_path: Path
) -> None:
    picture, made = endpoints.generate("a dog", seed=2, steps=2)
    assert (made["prompt"], made["seed"]) == ("a dog", 2)
    answer = endpoints.attribute(
        sent(picture, tmp_path), boxes=[[0, 0, 0.5, 1]], methods=["clip"], effort="instant", top_k=3
    )
    assert answer["query"]["caption"] == "a dog"
    assert len(answer["methods"]["clip"]["ranking"]) == 3
    again = endpoints.run(answer["run"], top_k=3)
    assert again["methods"] == answer["methods"]


def test_a_caption_is_no_longer_than_the_page_takes(endpoints: Endpoints, tmp_path: Path) -> None:
    picture, _ = endpoints.generate("a dog", seed=2, steps=1)
    with pytest.raises(gr.Error, match="shorten it to"):
        endpoints.attribute(sent(picture, tmp_path), "a dog " * 400, methods=["clip"], effort="instant")


def test_every_offered_method_is_named_with_what_it_does(endpoints: Endpoints) -> None:
    offered = endpoints.methods()
    assert {"clip", "abu"} <= {each["name"] for each in offered}
    assert all(each["title"] and each["description"].endswith(".") for each in offered)
    assert {each["name"]: each["measures"] for each in offered}["abu"]


def test_what_a_program_gets_wrong_is_one_line(endpoints: Endpoints) -> None:
    with pytest.raises(gr.Error, match="link is not whole"):
        endpoints.run("../secret")
    with pytest.raises(gr.Error, match="handle_file"):
        endpoints.attribute({"path": "/etc/passwd"})
    with pytest.raises(gr.Error, match="whole number"):
        endpoints.generate("a dog", seed=-1)
