"""What the captions that a model was trained on speak of, and which words none of them has."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from attribution.analysis.groups import columns_of
from attribution.analysis.shared_facts import CAPTION, NO_VALUE
from attribution.data.training_set import Example, TrainingSet, values_of
from attribution.data.words import words

MOST = 48  # words that are offered of one column, or of the captions
LOOKED_AT = 5000  # captions, evenly over the training set: a million need not be read to offer a few words
SAID = 0.9  # of the images with a value, the share whose captions must say it
SHORTEST = 3  # letters of a Latin word that says something
# What English captions are held together by. Other languages' short words are passed over by their length.
FUNCTION_WORDS = frozenset(
    words(
        "and the with for from that this its into onto over under are was were has have there their which "
        "some two one near next very out off all his her who while being"
    )
)

# The word that leads to a value, and the value with its article.
LED = r"\b(?:(?!(?:an?|the) )(\w+) )?\b((?:an? |the )?{})\b"


@dataclass(frozen=True)
class KnownWord:
    """A word or a few that captions have.

    Attributes:
        word: as the metadata or the captions have it.
        said: with its article, as captions say it: "a stop sign".
        lead: what captions join it to what is before it by: "and", "on"; "" if nothing.
        images: how many of the captions that were looked at say it.
    """

    word: str
    said: str
    lead: str
    images: int


@lru_cache(maxsize=4)
def known_words(training_set: TrainingSet) -> dict[str, tuple[KnownWord, ...]]:
    """By column, the values that captions say; the commonest words of captions where no column has any.

    The words of captions stand under `CAPTION`. Each column's commonest come first.
    """
    step = max(len(training_set) // LOOKED_AT, 1)
    examples = training_set.examples[::step]
    found = {column: tuple(_said_values(examples, column)) for column in columns_of(training_set)}
    spoken = {column: known[:MOST] for column, known in found.items() if known}
    return spoken or {CAPTION: tuple(_content_words(examples))[:MOST]}


def says_something(word: str) -> bool:
    """Whether a word is more than what holds a caption together."""
    short = word.isascii() and (len(word) < SHORTEST or word.isdigit())
    return not short and word not in FUNCTION_WORDS


@lru_cache(maxsize=4)
def vocabulary(training_set: TrainingSet) -> frozenset[str]:
    """Every word of every caption."""
    return frozenset(training_set.word_counts)


def unsaid_words(prompt: str, training_set: TrainingSet) -> list[str]:
    """The words of a prompt that no caption has, each once and in their order."""
    known = vocabulary(training_set)
    return [word for word in dict.fromkeys(words(prompt)) if word not in known]


def _said_values(examples: Sequence[Example], column: str) -> Iterator[KnownWord]:
    """The values of a column that the captions of nearly all their images say."""
    captions: dict[str, list[str]] = defaultdict(list)
    for example in examples:
        for value in values_of(example, column):
            captions[value].append(example.caption)
    found, of_all = [], Counter[str]()
    for value, said in sorted(captions.items(), key=lambda each: (-len(each[1]), each[0])):
        pattern = re.compile(LED.format(re.escape(value)), re.IGNORECASE)
        places = [place for place in map(pattern.search, said) if place is not None]
        if value != NO_VALUE and len(places) >= SAID * len(said):
            forms = Counter(place[2].lower() for place in places)
            leads = Counter(place[1].lower() for place in places if place[1])
            of_all += leads
            found.append((value, forms.most_common(1)[0][0], leads, len(said)))
    for value, form, leads, images in found:
        usual = (leads or of_all).most_common(1)  # what a value lacks, the others of its column may have
        yield KnownWord(value, form, usual[0][0] if usual else "", images)


def _content_words(examples: Sequence[Example]) -> Iterator[KnownWord]:
    """The words of captions that say something, the commonest first."""
    counted = Counter(word for example in examples for word in set(words(example.caption)))
    for word, images in sorted(counted.items(), key=lambda each: (-each[1], each[0])):
        if says_something(word):
            yield KnownWord(word, word, "", images)
