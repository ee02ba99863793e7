"""CLIP text: what is described in the same words."""

from attribution.methods.likeness import Likeness

METHOD = Likeness(
    name="clip-text",
    title="CLIP text",
    description="Cosine of CLIP text vectors, caption to caption; neither picture nor box is looked at.",
    encoder="clip",
    captions=True,
)
