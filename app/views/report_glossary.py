"""What the numbers of a report mean in plain words, and what they do not say."""

from __future__ import annotations

TERMS = (
    (
        "Score",
        "How much a method makes of a training image, in the unit that is said under the method's name. "
        "Scores of different methods have different units and cannot be compared; ranks can.",
    ),
    (
        "± standard error",
        "A rise of loss is measured on random noise. About two scores in three lie within one standard "
        "error of what measuring without end would give. Two images that differ by less are in no "
        "particular order. A score without ± is computed, not sampled.",
    ),
    (
        "✦ stands out, z",
        "Of first order alone. z is how far the image's score lies above its own scores under control "
        "pictures of unrelated captions, in their standard deviations. ✦ marks those beyond what the best "
        "of all images reaches for nineteen control pictures in twenty. Something always comes first; "
        "without ✦ it may be chance.",
    ),
    (
        "Ranked",
        "What the method has looked at. An image that was not ranked is not less influential: it was not "
        "measured.",
    ),
)
CAUTIONS = (
    "that a training image was copied: influence is not similarity, and neither is proof of copying",
    "that the picture would look different without one image: many taught the same, and leaving a single "
    "one out seldom changes anything that can be seen",
    "that an image far down, or not ranked, had no part in it",
    "anything from an order that lies within the standard errors",
    "anything legal: this is a measurement of one model, and an estimate",
)
