"""Laws of the encoders, the judge and the measures, and of what names a world's checkpoints."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoImageProcessor, CLIPModel, CLIPTokenizer, ViTModel

from demo import clip, dino, judge
from demo.__main__ import world_of
from demo.arguments import Measure, Stage
from demo.build import STAGES, build_clip, build_dino, build_scenes
from demo.quality import MEASURES, generation_figures, prompts
from demo.scenes import painted, scene
from demo.sizes import TINY
from demo.vocabulary import withheld_pairs
from demo.world import World
from tests.worlds import GLYPHS


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Twelve scenes and encoders trained for two steps."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHENCE_CACHE", str(folder / "cache"))
        made = World("test", folder, GLYPHS, scenes=12, effort=0.005, sizes=TINY)
        for stage in (build_scenes, build_clip, build_dino):
            assert list(stage(made))
            assert not list(stage(made))  # its result stands
    return made


def test_saved_encoders_are_standard_folders(world: World) -> None:
    clip_folder, dino_folder = world.encoder_folder("clip"), world.encoder_folder("dino")
    model = CLIPModel.from_pretrained(clip_folder)
    vit = ViTModel.from_pretrained(dino_folder, add_pooling_layer=False)
    tokenizer = CLIPTokenizer.from_pretrained(clip_folder)
    assert model.dtype == vit.dtype == torch.float32
    captions = [row["text"] for row in world.rows]
    assert clip.embed_captions(model, tokenizer, captions).shape == (12, TINY.clip_width)
    assert clip.embed_images(model, world.pixels).shape == (12, TINY.clip_width)
    assert dino.embed_images(vit, world.pixels).shape == (12, TINY.dino_width)


@pytest.mark.parametrize("name", ["clip", "dino"])
def test_saved_encoders_say_how_pictures_are_prepared(world: World, name: str) -> None:
    processor = AutoImageProcessor.from_pretrained(world.encoder_folder(name))
    prepared = processor(list(world.pixels), return_tensors="pt").pixel_values
    expected = torch.from_numpy(world.pixels).permute(0, 3, 1, 2) / 127.5 - 1
    assert torch.allclose(prepared, expected, atol=1e-5)


def test_the_teacher_starts_as_the_student_and_moves_towards_it() -> None:
    model = dino.SelfDistillation(TINY)
    student, teacher = (list(branch.parameters()) for branch in (model.student, model.teacher))
    assert all(torch.equal(a, b) for a, b in zip(student, teacher, strict=True))
    with torch.no_grad():
        for parameter in student:
            parameter += 1
    model.follow(0, 1000)
    for a, b in zip(student, teacher, strict=True):
        assert torch.allclose(a - b, torch.full_like(a, dino.TEACHER_MOMENTUM), atol=1e-3)
    model.follow(999, 1000)  # the last step: the momentum is 1
    for a, b in zip(student, teacher, strict=True):
        assert torch.allclose(a - b, torch.full_like(a, dino.TEACHER_MOMENTUM), atol=1e-3)


def test_the_teacher_uses_every_prototype_alike() -> None:
    scores = torch.randn(64, 16, generator=torch.Generator().manual_seed(0)) * 3
    scores[:, 0] += 5  # a favourite
    shares = dino.balanced(scores)
    assert torch.allclose(shares.sum(1), torch.ones(64), atol=1e-5)
    assert shares.mean(0).max() < 1.5 / 16 < scores.softmax(1).mean(0).max()


def test_koleo_prefers_tokens_that_are_spread() -> None:
    spread = torch.eye(4)
    crowded = torch.ones(4, 4) + 0.1 * torch.eye(4)
    assert dino.koleo(spread) < dino.koleo(crowded)


def test_recall_counts_rows_whose_own_column_is_near() -> None:
    similarity = torch.tensor([[3.0, 1.0, 2.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    assert [clip.recall(similarity, k) for k in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 1.0])


def test_sharing_an_object_looks_at_the_nearest() -> None:
    similarity = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    shown, others = [{"cat"}, {"dog", "bus"}], [{"cat", "car"}, {"cow"}]
    assert dino.share_an_object(similarity, shown, others, 1) == 0.5
    assert dino.share_an_object(similarity, shown, others, 2) == 0.25


def test_a_saved_judge_says_the_same(tmp_path: Path) -> None:
    pixels = np.stack(list(painted(GLYPHS, [scene(i) for i in range(6)])))
    model = judge.new_judge().eval().to(memory_format=torch.channels_last)  # as it is trained
    judge.save_judge(model, tmp_path)
    assert judge.judged(judge.load_judge(tmp_path), pixels) == judge.judged(model, pixels)


def test_the_judge_is_tried_on_no_scene_that_it_learns_from() -> None:
    learnt = [judge.judge_scene(index, 0) for index in range(600)]
    tried = {scene(i, 0, split) for split in ("heldout", "unseen") for i in range(600)}
    assert not {s.id for s in learnt if s.id.startswith("judge")} & {s.id for s in tried}
    withheld = [s for s in learnt if s.id.startswith("unseen")]
    assert 0.03 < len(withheld) / len(learnt) < 0.11  # a tenth of the two thirds that are pairs
    assert len(set(withheld) & tried) < 0.05 * len(withheld)  # alike by chance; drawn from another seed


def test_true_answers_are_right_and_others_wrong() -> None:
    items = [scene(i, 0, "unseen") for i in range(20)]
    figures = generation_figures(items, [judge.truth(item) for item in items])
    assert figures["all"] == figures["object"] == figures["ground"] == 1.0
    turned = [judge.Verdict(v.right, v.left, v.ground, v.style) for v in map(judge.truth, items)]
    figures = generation_figures(items, turned)
    assert (figures["all"], figures["object"], figures["object_on_either_side"]) == (0.0, 0.0, 1.0)


def test_prompts_are_of_seen_and_of_unseen_pairs(world: World) -> None:
    together = {frozenset(p["name"] for p in row["objects"]) for row in world.rows}
    kinds = prompts(world, 5)
    assert all(frozenset(item.objects) in together for item in kinds["seen"])
    assert all(frozenset(item.objects) in withheld_pairs() for item in kinds["unseen"])
    assert {len(items) for items in kinds.values()} == {5}


def test_worlds_that_differ_share_no_checkpoints(tmp_path: Path) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("train-00001\ntrain-00002\n")
    worlds = [
        world_of(),
        world_of(effort=0.5),
        world_of(scenes=2_400),
        world_of(tiny=True),
        world_of(tiny=True, effort=0.5),
        world_of(leave_out=ids),
    ]
    assert worlds[-1].left_out == {"train-00001", "train-00002"}
    assert worlds[0].name == world_of(out=tmp_path).name == "demo"
    assert all(a.checkpoints != b.checkpoints for a, b in itertools.combinations(worlds, 2))


def test_every_stage_can_be_asked_for() -> None:
    assert [stage.value for stage in Stage] == list(STAGES)
    assert [measure.value for measure in Measure] == list(MEASURES)
