"""Laws of the words that explain a term."""

from __future__ import annotations

from app.frontend.glossary import tips, tips_script
from app.views.guide import GUIDE


def test_every_term_is_explained_in_words_that_cannot_end_the_script() -> None:
    words = tips()
    assert set(words) >= {'#methods label:has([name="abu"])', ".stderr", ".out"}
    assert all(text.endswith(".") for text in words.values())
    assert "<" not in tips_script()
    assert GUIDE.count("<li>") == 10
