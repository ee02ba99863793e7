"""CLIP: what shows the same things."""

from attribution.methods.likeness import Likeness

METHOD = Likeness(
    name="clip",
    title="CLIP image",
    description="Cosine of CLIP image vectors: the training images that show the same things. "
    "With a box, the crop's vector.",
    encoder="clip",
)
