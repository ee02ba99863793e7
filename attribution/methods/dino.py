"""DINO: what looks alike."""

from attribution.methods.likeness import Likeness

METHOD = Likeness(
    name="dino",
    title="DINO",
    description="Cosine of DINO image vectors: the training images that look alike. "
    "With a box, the crop's vector.",
    encoder="dino",
)
