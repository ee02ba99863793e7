"""What the model sees of a picture, as training prepared it, and where a box of the picture lies in it."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from attribution.errors import BoxError, SettingsError
from attribution.query import Box

CENTER, PAD, SQUASH = "center", "pad", "squash"
CROPS = {  # what becomes of a picture that is not square, in words
    CENTER: "cut to its centre square",
    PAD: "padded with black to a square",
    SQUASH: "squashed to a square",
}
REFUSED = {  # what training scripts have too, and why it cannot be had here
    "bucket": "buckets of several resolutions cannot be compared: losses, noise and artifacts are of one "
    "latent's shape",
    "random": "a random crop is another picture at each epoch",
    "none": "the model takes squares alone",
}
NO_FLIPS, MEAN_OF_SIDES, LARGER_SIDE = "none", "mean", "larger"
FLIPS = {  # what a training image's score is where training showed mirror images too
    NO_FLIPS: "pictures as they are",
    MEAN_OF_SIDES: "the mean over a picture and its mirror image",
    LARGER_SIDE: "the larger of a picture's and its mirror image's",
}
SAMPLING = Image.Resampling.LANCZOS


@dataclass(frozen=True)
class Preparation:
    """How training made pictures into the model's squares.

    Attributes:
        crop: "center" (the shorter side comes to the model's, and what is left over of the longer is cut
            off), "pad" (the longer side does, and black is put around) or "squash" (both do).
        flips: whether training showed mirror images too, and what then becomes of both sides where a
            training image is measured: "none", "mean" or "larger" (as AbU scores COCO; biased upwards by
            the noise of both).

    Raises:
        SettingsError: `crop` or `flips` is none of these.
    """

    crop: str = CENTER
    flips: str = NO_FLIPS

    def __post_init__(self) -> None:
        if self.flips not in FLIPS:
            raise SettingsError(f"flips {self.flips!r} is not known: choose one of {', '.join(FLIPS)}")
        if self.crop in CROPS:
            return
        known, why = ", ".join(CROPS), REFUSED.get(self.crop, "it is not known")
        raise SettingsError(f"crop {self.crop!r}: {why}; choose one of {known}, whichever is nearest")

    @property
    def words(self) -> str:
        """What becomes of a picture that is not square."""
        return CROPS[self.crop]

    def fingerprint(self, training_set: str) -> str:
        """The fingerprint of a training set that is prepared like this; of a centre crop it is its own.

        Flips do not count: what is known of the pictures as they are stays true.
        """
        return training_set if self.crop == CENTER else f"{training_set} crop={self.crop}"

    def prepared(self, image: Image.Image, size: int) -> Image.Image:
        """`size` x `size`, RGB: what the model sees of a picture. Training images and queries alike."""
        image = image.convert("RGB")
        if image.size == (size, size):
            return image
        if self.crop != PAD:
            return image.resize((size, size), SAMPLING, box=self._seen(image.size))
        inner = [max(1, round(side * size / max(image.size))) for side in image.size]
        square = Image.new("RGB", (size, size))
        left, top = ((size - side) // 2 for side in inner)
        square.paste(image.resize((inner[0], inner[1]), SAMPLING), (left, top))
        return square

    def box_in_prepared(self, box: Box, image_size: tuple[int, int]) -> Box:
        """A box of an upload of (width, height) as a box of its prepared square, clipped to it.

        Raises:
            BoxError: the box lies wholly in what the centre crop cuts off.
        """
        left, top, right, bottom = self._seen(image_size)
        (width, height), (x0, y0, x1, y1) = image_size, box.as_tuple()
        mapped = [(x0 * width - left) / (right - left), (y0 * height - top) / (bottom - top)]
        mapped += [(x1 * width - left) / (right - left), (y1 * height - top) / (bottom - top)]
        x0, y0, x1, y1 = (min(max(value, 0.0), 1.0) for value in mapped)
        if x0 >= x1 or y0 >= y1:
            raise BoxError(
                f"box {' '.join(f'{value:g}' for value in box.as_tuple())} lies outside the centre square, "
                "which is all that the model sees of this picture: move it inwards"
            )
        return Box(x0, y0, x1, y1)

    def _seen(self, size: tuple[int, int]) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) in pixels of what becomes the square; padding lies outside of 0."""
        width, height = size
        if self.crop == SQUASH:
            return 0.0, 0.0, float(width), float(height)
        side = max(size) if self.crop == PAD else min(size)
        left, top = (width - side) / 2, (height - side) / 2
        return left, top, left + side, top + side
