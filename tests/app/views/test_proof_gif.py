"""Laws of the GIF of a test."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageSequence

from app.panels.updates import FONTS
from app.views.card import Fonts
from app.views.proof_gif import MARGIN, SIDE, proof_stages, write_proof_gif
from tests.worlds.proofs import PROOF, picture


def test_a_gif_has_a_frame_for_each_stage_that_is_there() -> None:
    """Law: The GIF of a test shows the picture as made, and after each set that was unlearned."""
    path = write_proof_gif(PROOF, "a dog & <b>", Fonts(FONTS))
    assert path.name == "whence-a-dog-b.gif"
    with Image.open(path) as gif:
        frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(gif)]
    found = PROOF.check.found
    assert len(frames) == 1 + len(found) == 4
    shown = [picture(0), *(outcome.pictures[0] for outcome in found)]
    for frame, image in zip(frames, shown, strict=True):
        inside = frame.crop((MARGIN, MARGIN, MARGIN + SIDE, MARGIN + SIDE))
        small = np.asarray(inside.resize(image.size, Image.Resampling.BOX), np.int16)
        assert np.abs(small - np.asarray(image, np.int16)).mean() < 30  # the pictures are noise


def test_every_stage_has_a_name_of_its_own_below_it() -> None:
    stages = proof_stages(PROOF, "a dog", Fonts(FONTS))
    names = {np.asarray(stage)[MARGIN + SIDE + 30 :].tobytes() for stage in stages}
    assert len(names) == len(stages)
