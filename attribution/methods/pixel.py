"""Pixels: what has the same colours in the same places."""

from attribution.methods.likeness import Likeness

METHOD = Likeness(
    name="pixel",
    title="Raw pixels",
    description="Correlation of small copies of the pictures: the same colours in the same places. "
    "With a box, the crop stretched to the whole square.",
    encoder="pixel",
)
