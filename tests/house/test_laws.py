"""The table of laws is that of the tests, and each law is a sentence."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.laws import DOCUMENT, document, laws, laws_of


def test_the_table_of_laws_is_up_to_date() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(laws()), "write it anew: make laws"


def test_every_law_is_a_sentence_that_is_said_once() -> None:
    found = laws()
    assert len(found) > 80
    wrong = [law for law in found if not (law.sentence.endswith(".") and law.sentence[0].isupper())]
    assert wrong == []
    assert [
        sentence for sentence, times in Counter(law.sentence for law in found).items() if times > 1
    ] == []
    assert [law for law in found if "|" in law.sentence] == []  # it would break the table


def test_a_law_is_the_first_paragraph_of_a_tests_docstring() -> None:
    source = '''
def test_one() -> None:
    """Law: One is
    one.

    For a reason.
    """

def test_two() -> None:
    """Not said to be a law."""

def helper() -> None:
    """Law: This is no test."""
'''
    path = Path("tests/house/test_x.py")
    assert [(law.sentence, law.test, law.room) for law in laws_of(source, path)] == [
        ("One is one.", "test_one", "house")
    ]
