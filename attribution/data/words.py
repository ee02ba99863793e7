"""What a word of a caption is, in any script."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

COMMON = 0.25  # a word in more than this share of captions says nothing of what they show
ASCII_WORD = re.compile(r"[a-z0-9]+")
# Chinese characters and hiragana are written without spaces: each is a word, as in Unicode's UAX #29.
ALONE = ((0x3040, 0x309F), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))


def words(caption: str) -> list[str]:
    """The words in their order: runs of letters, marks and digits, without regard to case or form.

    Compatibility forms are one (NFKC), so that full-width letters are letters. Scripts that are written
    without spaces and are not in `ALONE`, such as Thai, have their phrases for words.
    """
    if caption.isascii():
        return ASCII_WORD.findall(caption.lower())
    normal = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", caption).casefold())
    return "".join(map(_spaced, normal)).split()


def common(said: Sequence[set[str]]) -> set[str]:
    """The words of some captions that are in more than `COMMON` of them."""
    counted = Counter(word for caption in said for word in caption)
    return {word for word, count in counted.items() if count > COMMON * len(said)}


def _spaced(character: str) -> str:
    """A character as it stands in a word, or space around it."""
    if not character.isalnum() and not unicodedata.category(character).startswith("M"):
        return " "
    code = ord(character)
    return f" {character} " if any(first <= code <= last for first, last in ALONE) else character
