"""Laws of what other sites are shown of a link: tags in the page's head, and a card."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from PIL import Image, ImageChops, ImageDraw

from app.runs.archive import RunArchive
from app.runs.run import Run
from app.server import FONTS
from app.views.card import PICTURE, SIZE, Fonts, run_card, wrapped
from app.views.finding import findings
from app.views.preview import preview_tags
from attribution.workspace.workspace import Workspace
from tests.worlds.answers import LEFT, RIGHT, answered_run
from tests.worlds.markup import Reader
from tests.worlds.servers import built

# Gradio asks pandas, in each call, for what is about to go.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")

HOSTILE = '"><script>alert(1)</script><meta property="og:image" content="https://elsewhere/x.png'


@pytest.fixture(scope="module")
def run(tiny_world: Workspace) -> Run:
    return answered_run(tiny_world, (LEFT,), methods=("first-order", "clip"))


@pytest.fixture(scope="module")
def kept(tiny_world: Workspace, run: Run, tmp_path_factory: pytest.TempPathFactory) -> RunArchive:
    archive = RunArchive(tmp_path_factory.mktemp("runs"), tiny_world)
    archive.keep(run)
    return archive


@pytest.fixture(scope="module")
def client(kept: RunArchive, tiny_world: Workspace) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(kept.folder.parent / "sent"))
        yield TestClient(built(tiny_world, kept.folder), base_url="http://localhost")


def picture(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def tags(page: str) -> dict[str, list[str]]:
    """What is said under each name in a page's head."""
    found: dict[str, list[str]] = {}
    for name, _, rest in (part.partition('" content="') for part in page.split("<meta ")[1:]):
        key = name.split('="')[-1]
        found.setdefault(key, []).append(rest.partition('">')[0])
    return found


def test_a_link_to_a_run_is_previewed_with_what_it_found(client: TestClient, run: Run) -> None:
    """Law: A link to a run says its caption, its finding and its card, and nothing of Gradio's."""
    page = client.get(f"/?run={run.id}").text.split("<script>window.gradio_config")[0]
    said = tags(page)
    assert said["og:title"] == said["twitter:title"] == [f"{run.caption} · Whence"]
    assert f"<title>{run.caption} · Whence</title>" in page
    assert said["og:url"] == [f"http://localhost/?run={run.id}"]
    assert said["og:image"] == said["twitter:image"] == [f"http://localhost/cards/{run.id}.png"]
    assert said["twitter:card"] == ["summary_large_image"]
    (words,) = said["og:description"]
    assert words == findings(run, nothing=True)[0][1]
    assert "gradio" not in str(said).lower()


@pytest.mark.parametrize("query", ["", "?run=nonsense", f"?run={'A' * 16}", "?run=..%2F..%2Fetc"])
def test_any_other_page_is_previewed_as_itself(client: TestClient, query: str) -> None:
    answer = client.get(f"/{query}")
    said = tags(answer.text.split("<script>window.gradio_config")[0])
    assert answer.status_code == 200
    assert said["og:title"] == ["Whence"]
    assert "trained on scenes" in said["og:description"][0]
    assert "og:image" not in said
    assert said["twitter:card"] == ["summary"]


def test_what_a_caption_says_stays_words(run: Run, tiny_world: Workspace) -> None:
    """Law: No caption brings tags of its own into the head of the page."""
    reader = Reader(preview_tags(tiny_world, "http://localhost/", replace(run, caption=HOSTILE)))
    assert set(reader.tags) == {"title", "meta"}
    assert reader.open == []
    assert not any(text == "https://elsewhere/x.png" for text in reader.texts)


def test_a_card_shows_the_picture_the_box_and_the_first_images(run: Run, tiny_world: Workspace) -> None:
    """Law: A card is 1200 x 630 and differs with picture, box, words and first images alone."""
    fonts = Fonts(FONTS)
    card = picture(run_card(run, tiny_world, fonts))
    assert card.size == SIZE
    assert run_card(run, tiny_world, fonts) == run_card(replace(run, proofs=()), tiny_world, fonts)
    other = answered_run(tiny_world, (RIGHT,), methods=("first-order", "clip"))
    changed = ImageChops.difference(card, picture(run_card(other, tiny_world, fonts))).getbbox()
    assert changed is not None
    said = ImageChops.difference(
        card, picture(run_card(replace(run, caption="é, ü and ß"), tiny_world, fonts))
    )
    left, top, right, bottom = said.getbbox() or (0, 0, 0, 0)
    assert left > PICTURE, "the caption stands beside the picture"
    assert right <= SIZE[0]
    assert bottom <= SIZE[1]
    assert top > 0


def test_words_that_are_too_many_or_too_long_are_cut_with_a_sign() -> None:
    draw, font = ImageDraw.Draw(Image.new("RGB", SIZE)), Fonts(FONTS).of(20)
    assert wrapped(draw, "a cat", font, 200, 2) == ["a cat"]
    assert wrapped(draw, "", font, 200, 2) == []
    lines = wrapped(draw, "a cat and a dog " * 20, font, 200, 2)
    assert len(lines) == 2
    assert not lines[0].endswith("…")
    assert lines[1].endswith("…")
    (line,) = wrapped(draw, "W" * 500, font, 200, 3)
    assert line.endswith("W…")
    assert draw.textlength(line, font) <= 200


def test_a_card_is_given_to_who_has_the_id_and_ends_with_its_run(
    client: TestClient, kept: RunArchive, run: Run
) -> None:
    """Law: A card is there as long as its run is, and no other name gives a file."""
    answer = client.get(f"/cards/{run.id}.png")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert picture(answer.content).size == SIZE
    for name in ("A" * 16, "x", "..%2f..%2fetc%2fpasswd", "%00", f"{run.id}.png"):
        assert client.get(f"/cards/{name}.png").status_code == 404
    again = replace(run, id="C" * 16)
    key = kept.keep(again)
    assert client.get(f"/cards/{again.id}.png").status_code == 200
    assert kept.forget(again.id, key)
    assert client.get(f"/cards/{again.id}.png").status_code == 404
