"""What a browser asks of the library, as plain values that have passed every check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from attribution.data.catalogue import Filter
from attribution.data.files import first_problem
from attribution.errors import SettingsError

WORDS = "words"  # words are looked for, not what they say
BROUGHT = "brought"  # the picture that this page has brought
PAGE = 48  # images
MOST_PICKED = 1_000  # images that are chosen one by one
MOST_TEXT = 500  # characters of one field

Text = Annotated[str, Field(max_length=MOST_TEXT)]
Pair = Annotated[list[Text], Field(min_length=2, max_length=2)]


class LibraryQuestion(BaseModel):
    """One look into the library.

    Attributes:
        text: what is looked for; by: "words", or the embedding in which it is compared, see `text_space`.
        filters: [column, value] each.
        like: the id of a training image, or "brought"; "" for the training set's own order.
        space: the encoder by which it is like that.
        page: from 1.
    """

    model_config = ConfigDict(strict=True, frozen=True)  # further keys are not read

    text: Text = ""
    by: Text = WORDS
    filters: Annotated[list[Pair], Field(max_length=50)] = []
    like: Text = ""
    space: Text = ""
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1

    @property
    def words(self) -> str:
        """The words that images must have."""
        return self.text if self.by == WORDS else ""

    @property
    def asked_filters(self) -> tuple[Filter, ...]:
        """The filters as the catalogue takes them."""
        return tuple(Filter(column, value) for column, value in self.filters)

    @property
    def narrows(self) -> bool:
        """Whether not all images are found."""
        return bool(self.words.strip() or self.filters)

    def in_words(self) -> str:
        """What a collection of all that it finds is called."""
        said = [f"“{self.words.strip()}”"] if self.words.strip() else []
        said += [f"{column.replace('_', ' ')}: {value}" for column, value in self.filters]
        return ", ".join(said) or "the whole training set"


def library_question(data: Mapping[str, Any]) -> LibraryQuestion:
    """What a browser sent.

    Raises:
        SettingsError: it is no look into the library.
    """
    try:
        return LibraryQuestion.model_validate(dict(data))
    except ValidationError as refused:
        raise SettingsError(
            f"this is no look into the library ({first_problem(refused)}): open it anew"
        ) from None


def text_space(encoder: str, captions: bool) -> str:
    """The name of what a text is compared with: pictures, or captions."""
    return f"{encoder}-text" if captions else encoder
