"""Which columns of the metadata hold what, and what becomes of several captions of one picture."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from attribution.errors import SettingsError, TrainingSetError

IMAGE, CAPTION, ID = "file_name", "text", "id"  # as the datasets library has them, and our own
PICTURE = "image"  # in a table that holds its pictures
ALSO_CAPTIONS = ("caption", "prompt")  # taken where there is no `CAPTION`, and only one of them
REFUSED, FIRST, EACH, MEAN = "refused", "first", "each", "mean"
NAMED = 12  # columns that an error names


@dataclass(frozen=True)
class Columns:
    """What a person says of the columns.

    Attributes:
        image: the column with the pictures' file names; None for `file_name`. In shards, the column with
            the pictures themselves; None for `image`, or for any ending of a picture in a tar file.
        caption: the column with their captions; None for `text`, else the only one of `caption` and
            `prompt`.
        captions: what becomes of several captions of one picture: "refused", "first" (the others are not
            read), "each" (each picture and caption is a training image of its own) or "mean" (the loss of
            a picture is the mean over its captions).

    Raises:
        SettingsError: `captions` is none of these.
    """

    image: str | None = None
    caption: str | None = None
    captions: str = REFUSED

    def __post_init__(self) -> None:
        if self.captions not in (REFUSED, FIRST, EACH, MEAN):
            raise SettingsError(f"captions {self.captions!r} is not known: choose first, each or mean")

    def found(self, there: Collection[str], source: object) -> tuple[str, str]:
        """The names of the columns of pictures and captions, among those that there are.

        Args:
            source: what has the columns, for the error.

        Raises:
            TrainingSetError: one is not there, or it could be several; names the flag that says which.
        """
        image, caption = self.image or IMAGE, self.caption or _caption_among(there, source)
        for name, flag, what in (
            (image, "--image-column", "file names of the pictures"),
            (caption, "--caption-column", "captions"),
        ):
            if name not in there:
                raise TrainingSetError(
                    f'{source} has no "{name}" (its columns are {listed(there)}): name the column of the '
                    f"{what} with {flag}"
                )
        return image, caption


def _caption_among(there: Collection[str], source: object) -> str:
    """The default column of captions."""
    likely = [name for name in ALSO_CAPTIONS if name in there]
    if CAPTION in there or not likely:
        return CAPTION
    if len(likely) > 1:
        raise TrainingSetError(
            f"{source} has the columns {' and '.join(likely)}: say which are the captions with "
            "--caption-column"
        )
    return likely[0]


def listed(names: Collection[str]) -> str:
    """The first few names, as an error has them."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return (", ".join(sorted(names)[:NAMED]) or "none") + more
