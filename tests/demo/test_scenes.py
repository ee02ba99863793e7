"""Laws of the scenes: pure functions of (seed, split, index) whose objects are where they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo.scenes import SIZE, Painter, scene, write_scenes
from demo.tokenizer import build_tokenizer
from demo.vocabulary import (
    COLLECTIONS,
    GROUNDS,
    OBJECTS,
    STYLES,
    all_captions,
    caption_of,
    withheld_pairs,
)
from tests.worlds import GLYPHS


@pytest.fixture(scope="module")
def painter() -> Painter:
    return Painter(GLYPHS)


def test_scenes_do_not_depend_on_the_order_they_are_drawn_in(painter: Painter) -> None:
    """Law: A scene is a pure function of seed, split and index."""
    forwards = [painter.paint(scene(index)) for index in range(12)]
    backwards = [Painter(GLYPHS).paint(scene(index)) for index in reversed(range(12))]
    for (picture, placed), (other_picture, other_placed) in zip(forwards, reversed(backwards), strict=True):
        assert picture.tobytes() == other_picture.tobytes()
        assert placed == other_placed


def test_seed_and_split_change_the_scenes() -> None:
    assert [scene(i, seed=0).caption for i in range(20)] != [scene(i, seed=1).caption for i in range(20)]
    assert [scene(i).caption for i in range(20)] != [scene(i, split="heldout").caption for i in range(20)]


def test_a_longer_set_begins_with_the_shorter_one(tmp_path: Path) -> None:
    for count in (3, 6):
        assert list(write_scenes(tmp_path / str(count), GLYPHS, count)) == list(range(1, count + 1))
    short = (tmp_path / "3" / "metadata.jsonl").read_text().splitlines()
    long = (tmp_path / "6" / "metadata.jsonl").read_text().splitlines()
    assert long[:3] == short
    for line in short:
        name = json.loads(line)["file_name"]
        assert (tmp_path / "3" / name).read_bytes() == (tmp_path / "6" / name).read_bytes()


def test_withheld_pairs_occur_in_the_unseen_split_alone() -> None:
    """Law: Withheld pairs of objects occur in the unseen split alone."""
    withheld = withheld_pairs()
    assert len(withheld) == len(OBJECTS) * (len(OBJECTS) - 1) // 2 // 10
    for split in ("train", "heldout", "judge"):
        assert not any(frozenset(scene(i, split=split).objects) in withheld for i in range(1_000))
    assert all(frozenset(scene(i, split="unseen").objects) in withheld for i in range(500))


def test_every_word_of_the_world_is_drawn() -> None:
    scenes = [scene(i) for i in range(3_000)]
    assert {name for s in scenes for name in s.objects} == set(OBJECTS)
    assert {s.ground for s in scenes} == set(GROUNDS)
    assert {s.style for s in scenes} == {None, *STYLES}
    assert {s.collection for s in scenes} == set(COLLECTIONS)


def test_boxes_hold_all_of_their_glyphs() -> None:
    painter = Painter(GLYPHS)
    for name, glyph in painter.glyphs.items():
        painter.glyphs[name] = Image.merge(
            "RGBA", [Image.new("L", glyph.size, v) for v in (255, 0, 255)] + [glyph.getchannel("A")]
        )
    plain = [s for s in map(scene, range(150)) if s.style is None]
    for item in plain:
        picture, placed = painter.paint(item)
        assert [p.name for p in placed] == list(item.objects)
        red, green, blue = np.moveaxis(np.asarray(picture).astype(int), -1, 0)
        magenta = (np.minimum(red, blue) - green) > 150
        inside = np.zeros_like(magenta)
        for p in placed:
            x0, y0, x1, y1 = (round(side * SIZE) for side in p.box)
            assert 0 <= x0 < x1 <= SIZE
            assert 0 <= y0 < y1 <= SIZE
            inside[y0:y1, x0:x1] = True
            assert magenta[y0:y1, x0:x1].mean() > 0.2
        assert not (magenta & ~inside).any()


def test_the_first_object_named_stands_on_the_left(painter: Painter) -> None:
    for item in map(scene, range(60)):
        _, placed = painter.paint(item)
        middles = [(p.box[0] + p.box[2]) / 2 for p in placed]
        assert middles == sorted(middles)
        assert item.caption.startswith(("a ", "an "))


def test_captions_follow_the_grammar() -> None:
    assert caption_of(("motorcycle", "stop sign"), "a road") == "a motorcycle and a stop sign on a road"
    assert caption_of(("elephant",), "the beach", "pixel art") == "an elephant on the beach, in pixel art"
    captions = all_captions()
    assert len(captions) == len(set(captions)) == 33 * 33 * 7 * 3
    assert {scene(i).caption for i in range(500)} <= set(captions)


def test_every_caption_is_spelt_in_whole_words() -> None:
    tokenizer = build_tokenizer()
    for caption in all_captions()[::97]:
        tokens = tokenizer.tokenize(caption)
        assert len(tokens) == len(caption.replace(",", " ,").split())
        assert len(tokens) + 2 <= tokenizer.model_max_length


def test_the_tokenizer_is_the_same_in_every_process() -> None:
    code = "from demo.tokenizer import build_tokenizer as b; print(sorted(b().get_vocab().items()))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == str(sorted(build_tokenizer().get_vocab().items()))


def test_words_the_world_does_not_know_are_spelt_out() -> None:
    assert "".join(build_tokenizer().tokenize("unicorn 42")) == "unicorn</w>4</w>2</w>"
