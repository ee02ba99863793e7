"""Laws of what a word is."""

from __future__ import annotations

import re
import unicodedata

import pytest

from attribution.data.words import words
from attribution.workspace.workspace import Workspace


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A cat's  HAT, on a-table_2!", ["a", "cat", "s", "hat", "on", "a", "table", "2"]),
        ("Ein Fußgänger im Café", ["ein", "fussgänger", "im", "café"]),
        ("СОБАКА на траве", ["собака", "на", "траве"]),
        ("पानी में नाव", ["पानी", "में", "नाव"]),
        ("一只猫 on a ＢＯＡＴ", ["一", "只", "猫", "on", "a", "boat"]),
        ("كلب على الشاطئ", ["كلب", "على", "الشاطئ"]),
        ("🚲 \N{EM DASH} … ?", []),
        ("", []),
    ],
)
def test_words_of_many_scripts(caption: str, expected: list[str]) -> None:
    assert words(caption) == expected


def test_composed_and_decomposed_letters_are_the_same_words() -> None:
    """Law: The words of a caption do not depend on how Unicode spells its letters."""
    caption = "Crème brûlée à Ångström"
    spellings = {tuple(words(unicodedata.normalize(form, caption))) for form in ("NFC", "NFD", "NFKD")}
    assert len(spellings) == 1


def test_words_of_plain_english_are_runs_of_letters_and_digits(tiny_world: Workspace) -> None:
    for caption in tiny_world.training_set.captions:
        assert words(caption) == re.findall(r"[^\W_]+", caption.lower())
