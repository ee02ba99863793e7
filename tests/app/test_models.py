"""Laws of a server with pages of several models."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from gradio.routes import App

from app.__main__ import arguments
from app.runs.names import model_name, title_of, training_set_name
from app.runtime.models import served_models
from app.runtime.sessions import MAX_SESSIONS
from app.views.heading import heading
from attribution.errors import SettingsError
from attribution.workspace.workspace import Workspace
from cli.commands import EMBEDDED
from demo.customise.shipped import SHIPPED
from tests.worlds import TINY
from tests.worlds.markup import Reader
from tests.worlds.servers import built

# Gradio asks pandas, in each call, for what is about to go.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(TINY, folder / "My dog", ignore=shutil.ignore_patterns("encoders"))
    shutil.copytree(TINY / "encoders", folder / "My dog" / "encoders")
    both = [Workspace.open(TINY / "workspace"), Workspace.open(folder / "My dog" / "workspace")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "sent"))
        server = built(both[0], folder / "runs", both[1])
        return TestClient(server, base_url="http://localhost")


def test_pages_that_were_opened_are_remembered_up_to_a_number(client: TestClient) -> None:
    """Law: What Gradio remembers of pages is bounded as our own sessions are, however many were opened."""
    assert isinstance(client.app, FastAPI)
    found = [getattr(route, "app", None) for route in client.app.routes]
    (mounted,) = [each for each in found if isinstance(each, App)]
    for number in range(MAX_SESSIONS + 3):
        _ = mounted.state_holder[f"page {number}"]
    assert len(mounted.state_holder.session_data) <= MAX_SESSIONS


def test_each_model_has_a_page_and_pictures_of_its_own(client: TestClient) -> None:
    """Law: Every model that a server is given has a page, style sheet and pictures below its own path."""
    for path in ("", "/models/my-dog"):
        page = client.get(f"{path}/")
        assert page.status_code == 200
        assert "sha256" in page.headers["content-security-policy"]
        assert client.get(f"{path}/page.css").headers["content-type"].startswith("text/css")
        assert client.get(f"{path}/thumbs/0").headers["content-type"] == "image/webp"
    assert client.get("/models/none/thumbs/0").status_code == 404


def test_the_models_are_chosen_from_at_the_top(client: TestClient) -> None:
    """Law: Each page links to every model's, and says which one it is."""
    for path, title in (("", "tiny"), ("/models/my-dog", "My dog")):
        components = client.get(f"{path}/config").json()["components"]
        (top,) = [each for each in components if each["props"].get("elem_id") == "heading"]
        value = " ".join(top["props"]["value"].split())
        assert '<a href="/"' in value
        assert '<a href="/models/my-dog/"' in value
        assert f'aria-current="page">{title}</a>' in value


def test_a_server_of_one_model_offers_no_choice() -> None:
    (only,) = served_models([Workspace.open(TINY / "workspace")])
    assert (only.title, only.path) == ("tiny", "/")
    assert arguments(["--workspace", str(TINY / "workspace")]).workspace == [TINY / "workspace"]
    assert "<nav" not in heading(only.workspace)


def test_the_shipped_models_are_offered_unless_others_are_named() -> None:
    """Law: The page offers the embedded model first, then each customised one that is shipped."""
    offered = arguments([]).workspace
    assert offered[0] == EMBEDDED
    models = served_models([Workspace.open(each) for each in offered])
    assert [each.path for each in models] == ["/", *(f"/models/{name}/" for name in sorted(SHIPPED))]


def test_the_heading_names_the_model_and_what_it_was_trained_on() -> None:
    """Law: The page of one model names the model and its training set, too; never a whole folder."""
    tiny = Workspace.open(TINY / "workspace")
    config = replace(
        tiny.config, model="lab/<b>mine</b>", dataset="some-shards", adapters=("a-dog", "a-hat")
    )
    other = Workspace(tiny.folder, config, training_set=tiny.training_set)
    assert (model_name(tiny), training_set_name(tiny)) == ("tiny", "scenes")
    for workspace in (tiny, other):
        words = Reader(heading(workspace)).texts
        assert {model_name(workspace), training_set_name(workspace)} <= set(words)
        assert str(TINY.parent) not in heading(workspace)
    assert model_name(other) == "lab/<b>mine</b> with a-dog and a-hat"


def test_two_workspaces_of_one_name_are_refused() -> None:
    twice = [Workspace.open(TINY / "workspace")] * 2
    with pytest.raises(SettingsError, match="two workspaces are called 'tiny': rename"):
        served_models(twice)


def test_a_workspace_is_called_by_its_folder(tmp_path: Path) -> None:
    shutil.copytree(TINY / "workspace", tmp_path / "mine")
    assert title_of(Workspace(tmp_path / "mine", Workspace.open(TINY / "workspace").config)) == "mine"
